/* show.h: the parts of `panpipe show`: each prints one thing on an open session. The exit code. */
#ifndef SHOW_H
#define SHOW_H

#include "session.h"

int show_client(struct session *session, const char *word);
int show_subject(struct session *session, const char *subject);
int show_broker(struct session *session);

#endif
