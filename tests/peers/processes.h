/* processes.h: the processes of a run, and what they cost. Only those that were started here are
 * ever ended, and they end with the harness whatever becomes of it. */
#ifndef PEERS_PROCESSES_H
#define PEERS_PROCESSES_H

#include <stdbool.h>
#include <sys/types.h>

/* A client process: 0 in the child, which must end in _exit. */
pid_t fork_client(void);

/* Ends all client processes. */
void end_clients(void);

/* Has one of them ended by itself? */
bool client_died(void);

/* Makes the run's folder, and removes it. */
void run_folder_make(void);
void run_folder_remove(void);

/* Can this program be started? As variant.server. */
bool server_exists(const char *server);

void end_server(pid_t process);

/* Processor time that a process, and all clients from first to last, have used, in seconds. */
double process_cpu(pid_t process);
double clients_cpu(int first, int last);

/* Resident memory in KiB. */
double process_memory(pid_t process);

/* How long a fixed mix of arithmetic, copying and system calls takes now: the machine's speed, in
 * microseconds. */
double calibrate(void);

/* Processor time of the whole machine so far, in seconds: used by anybody, and taken away by the
 * host. The system counts it in hundredths. */
struct machine_time {
    double used, stolen;
};
struct machine_time machine_time(void);

#endif
