/* service.h: who keeps this process, if somebody does: systemd here, the service manager on
 * Windows. Without one none of this does anything. */
#ifndef PPI_SERVICE_H
#define PPI_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Looks whether there is somebody, takes over what he passes, and forgets it in the environment.
 * Once, before other threads are started. PP_OK; PP_EINVAL: what he passes cannot be used. */
int ppi_service_begin(void);

/* Tells him: everything is set up; it is about to end, in so many milliseconds at most; it is still
 * alive, which he wants to hear that often (milliseconds; 0: he does not). */
void ppi_service_ready(const char *words);
void ppi_service_stopping(uint32_t within_ms);
void ppi_service_alive(void);
uint32_t ppi_service_alive_ms(void);

/* Is standard error a log of his? Then lines begin with "<N>", N as syslog's priorities, 3 error to
 * 7 debug, and have no time. */
bool ppi_service_logs(void);

/* Standard error is that file from now on, at its end; anew: after what is there was renamed to
 * path.1. *size is what it has. PP_OK, PP_EUNTRUSTED, PP_EACCESS, PP_EIO ... */
int ppi_errors_to_file(const char *path, bool anew, uint64_t *size);

/* Windows: has the service manager call run(context), which returns an exit code, and waits for its
 * end. PP_OK: *code is that; PP_ESTATE: it was not the service manager who started this process;
 * PP_ENOTSUP elsewhere. */
int ppi_service_run(const char *name, int (*run)(void *context), void *context, int *code);

/* Windows: what a person does with a service. arguments, a list that ends with NULL, is for
 * install: what this program is started with. PP_OK; a failure's words are pp_detail. */
enum ppi_service_verb {
    PPI_SERVICE_INSTALL,
    PPI_SERVICE_UNINSTALL,
    PPI_SERVICE_START,
    PPI_SERVICE_STOP
};
int ppi_service_control(enum ppi_service_verb verb, const char *name, const char *const *arguments);

#endif
