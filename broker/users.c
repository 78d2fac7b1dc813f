#include "users.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/sys.h"
#include "worker.h"

bool user_is_known(const pp_peer *who)
{
    return (who->flags & (PP_PEER_SID | PP_PEER_UID)) != 0;
}

static struct user *find(struct broker *broker, const pp_peer *who, char name[USER_NAME_MAX])
{
    if ((who->flags & PP_PEER_SID) != 0)
        snprintf(name, USER_NAME_MAX, "%s", who->sid);
    else if ((who->flags & PP_PEER_UID) != 0)
        snprintf(name, USER_NAME_MAX, "%u", who->uid);
    else
        snprintf(name, USER_NAME_MAX, "pid %" PRIu64, who->pid);
    for (struct ppi_list *at = broker->users.next; at != &broker->users; at = at->next)
        if (strcmp(PP_CONTAINER(at, struct user, in_broker)->name, name) == 0)
            return PP_CONTAINER(at, struct user, in_broker);
    return NULL;
}

void user_account(struct worker *worker, const pp_peer *who, char account[USER_ACCOUNT_MAX])
{
    char name[USER_NAME_MAX];

    account[0] = '\0';
    if (!user_is_known(who))
        return;
    worker_enter(worker);
    const struct user *user = find(worker->broker, who, name);
    if (user != NULL)
        memcpy(account, user->account, USER_ACCOUNT_MAX);
    worker_leave(worker);
    if (user == NULL && !ppi_user_name(who, account, USER_ACCOUNT_MAX))
        account[0] = '\0';
}

const char *user_enter(struct peer *peer, const char *account)
{
    struct broker *broker = peer->broker;
    char name[USER_NAME_MAX];
    struct user *user = find(broker, &peer->who, name);

    if (user != NULL && user->connections >= broker->settings.connections_user)
        return "E_QUOTA connections_user: too many connections of this user\n";
    if (user == NULL) {
        user = calloc(1, sizeof *user);
        if (user == NULL)
            return "E_LIMIT the broker is out of memory\n";
        memcpy(user->name, name, sizeof name);
        snprintf(user->account, sizeof user->account, "%s", account);
        ppi_list_append(&broker->users, &user->in_broker);
    }
    user->connections++;
    peer->user = user;
    return NULL;
}

void user_leave(struct peer *peer)
{
    if (peer->user != NULL && --peer->user->connections == 0) {
        ppi_list_remove(&peer->user->in_broker);
        free(peer->user);
    }
    peer->user = NULL;
}
