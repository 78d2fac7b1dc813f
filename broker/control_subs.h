/* control_subs.h: the control methods $sub, $serve and $unsub. */
#ifndef CONTROL_SUBS_H
#define CONTROL_SUBS_H

#include "control_in.h"

enum ppi_verdict control_subscribe(const struct request_in *in);
enum ppi_verdict control_serve(const struct request_in *in);
enum ppi_verdict control_unsubscribe(const struct request_in *in);

#endif
