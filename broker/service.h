/* service.h: `panpiped service ...`, what a person does with the broker as a Windows service. */
#ifndef SERVICE_H
#define SERVICE_H

#include <stdbool.h>

/* The words behind `panpiped service`; checks whether the options for install are panpiped's own.
 * The exit code. */
int service_command(int argc, char **argv, bool (*check)(int argc, char **argv));

#endif
