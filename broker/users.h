/* users.h: whose connections there are: a record for each user, which counts them. */
#ifndef USERS_H
#define USERS_H

#include "state.h"

struct worker;

/* Does the system say whose connection it is? Windows may tell a client's user only after something
 * of the client was read. Until then it is counted by its process. */
bool user_is_known(const pp_peer *who);

/* The name that the system has for the user; "": it has none. It is asked only if the user has no
 * connection yet, for it may take its time. In no view. */
void user_account(struct worker *worker, const pp_peer *who, char account[USER_ACCOUNT_MAX]);

/* Gives the peer its user's record, whose name is account. In the write section. NULL: it has it;
 * else what to say. */
const char *user_enter(struct peer *peer, const char *account);
void user_leave(struct peer *peer);

#endif
