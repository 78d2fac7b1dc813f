/* control_sys.h: the control methods $sys..., for the operator; SYS.md. */
#ifndef CONTROL_SYS_H
#define CONTROL_SYS_H

#include "control_in.h"

/* May the peer operate the broker? Its own user may, and root; else answered with an error. */
bool control_may_operate(const struct request_in *in);

enum ppi_verdict control_sys_stats(const struct request_in *in);
enum ppi_verdict control_sys_clients(const struct request_in *in);
enum ppi_verdict control_sys_subs(const struct request_in *in);
enum ppi_verdict control_sys_subjects(const struct request_in *in);
enum ppi_verdict control_sys_settings(const struct request_in *in);
enum ppi_verdict control_sys_stop(const struct request_in *in);

#endif
