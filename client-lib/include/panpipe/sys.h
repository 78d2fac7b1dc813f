/* panpipe/sys.h - the little that a portable program needs beside the port: a clock, a thread,
 * standard input and output as bytes, another program. The program panpipe uses nothing else; a
 * program of yours may use what it likes instead. */
#ifndef PANPIPE_SYS_H
#define PANPIPE_SYS_H

#include <panpipe/port.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Nanoseconds on a clock that only goes forward; and of processor time that this process, all of
 * its threads together, has used. */
uint64_t pp_now_ns(void);
uint64_t pp_cpu_ns(void);

/* Milliseconds since 1970 as 2026-11-21T20:52:00.123Z. */
enum { PP_TIME_TEXT = 32 };
void pp_time_text(uint64_t wall_ms, char text[PP_TIME_TEXT]);

/* Not for waiting until something happens. */
void pp_sleep_ms(unsigned milliseconds);

/* A thread that runs run(argument). It must be joined, which frees it.
 * PP_OK; PP_ENOMEM; PP_ELIMIT. */
typedef struct pp_thread pp_thread;
int pp_thread_start(pp_thread **out, void (*run)(void *argument), void *argument);
void pp_thread_join(pp_thread *thread);

/* Calls wish(context, how many so far) on a thread of its own when somebody outside wants this
 * process to end: Ctrl-C, SIGTERM, the console is closed. Once, before other threads are started.
 * Programs that are started later are not affected. PP_OK; PP_ENOMEM; PP_ELIMIT. */
int pp_watch_for_end(void (*wish)(void *context, unsigned count), void *context);

/* Readies a program, before it opens anything, once: standard streams that are closed become the
 * null device, so that nothing else takes their place. Returns the arguments of main as UTF-8, for
 * the program's life: on Windows the C library has them in another code. Elsewhere, and without
 * memory, that is argv itself. */
char **pp_program_begin(int *argc, char **argv);

/* Files; the path is UTF-8. pp_file_read takes all of one, with a 0 behind it that is not counted;
 * free it with pp_free. PP_OK; PP_ENOMEM; PP_ELIMIT: it has more than limit bytes; PP_EIO:
 * pp_detail says why. pp_file_make makes an empty one. PP_OK; PP_EIO. */
int pp_file_read(const char *path, size_t limit, void **data, size_t *size);
int pp_file_make(const char *path);

/* Standard input and output as bytes, without buffers and without translation of line ends.
 * pp_stdin_read: as soon as there is something: how many bytes; 0: the end; negative: a status.
 * pp_stdout_write: all of it. PP_OK; PP_EPEERCLOSED: nobody reads any more; PP_EIO (a full disk,
 * say: pp_detail). */
int64_t pp_stdin_read(void *buffer, size_t size);
int pp_stdout_write(const void *data, size_t size);

/* Runs a command line with the system's shell, input as its standard input, and waits for its end.
 * *output is what it wrote to standard output, at most limit bytes; free it with pp_free. *code is
 * its exit code, or 256 + the number of the signal that ended it.
 * PP_OK; PP_ENOMEM; PP_ELIMIT: it wrote more; PP_EIO: it could not be started. */
int pp_run(const char *command, const void *input, size_t input_size, size_t limit, void **output,
           size_t *output_size, int *code);
void pp_free(void *memory);

/* Another program, which runs beside this one with the same standard streams. arguments[0] is its
 * path; the list ends with NULL. A program that starts itself takes pp_program_path, the path of
 * the program that runs ("": not known).
 * pp_process_start: PP_OK: *out must be waited for to its end; PP_EINVAL; PP_ENOMEM; PP_ENOTFOUND:
 * there is no such program; PP_EIO: pp_detail says why.
 * pp_process_wait: 1: it has ended and process is freed; *code is its exit code, or 256 + the
 * number of the signal that ended it. 0: timeout_ms (negative: none) is over. PP_EINVAL. */
typedef struct pp_process pp_process;
const char *pp_program_path(void);
int pp_process_start(pp_process **out, const char *const *arguments);
int pp_process_wait(pp_process *process, int timeout_ms, int *code);

#ifdef __cplusplus
}
#endif
#endif
