/* control_watch.h: the control methods by which an operator watches and intervenes; SYS.md. */
#ifndef CONTROL_WATCH_H
#define CONTROL_WATCH_H

#include "control_in.h"

enum ppi_verdict control_sys_events(const struct request_in *in);
enum ppi_verdict control_sys_tap(const struct request_in *in);
enum ppi_verdict control_sys_kick(const struct request_in *in);

/* Is it a subscription of $sys? */
bool control_is_sys(const struct sub *sub);

/* Makes such a one what it is: events, or a tap. false: the peer may not, or there is no such
 * thing; answered with an error. */
bool control_watch(const struct request_in *in, struct sub *sub);

#endif
