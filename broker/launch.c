#include "launch.h"

#include <stdio.h>
#include <string.h>

#include "io/service.h"
#include "io/start.h"
#include "io/sys.h"
#include "io/timer.h"
#include "log_writer.h"

static struct {
    struct ppi_start lock;
    bool on_demand; /* the lock is held */
    char log[PP_PATH_MAX];
    pp_port *port;
    struct ppi_timer alive;
} launch;

int launch_begin(const char *on_demand, const char *name)
{
    if (on_demand == NULL)
        return ppi_service_begin();
    int status = ppi_start_adopt(&launch.lock, name, on_demand);
    if (status != PP_OK)
        return status;
    launch.on_demand = true;
    status = ppi_start_log(name, launch.log, sizeof launch.log);
    return status == PP_OK ? log_to_file(launch.log) : status;
}

/* A worker has taken this packet, so messages are handled, too. */
static void on_alive(pp_op *op)
{
    (void)op;
    ppi_service_alive();
    ppi_timer_start(&launch.alive, launch.port,
                    ppi_timer_now_ns(launch.port) +
                        (uint64_t)ppi_service_alive_ms() * PPI_NS_PER_MS);
}

void launch_ready(pp_port *port, const char *path)
{
    char words[PP_PATH_MAX + 16];

    snprintf(words, sizeof words, "listens at %s", path);
    ppi_service_ready(words);
    if (launch.on_demand)
        ppi_start_succeeded(&launch.lock);
    launch.on_demand = false;
    if (ppi_service_alive_ms() == 0)
        return;
    launch.port = port;
    launch.alive.op.priv_.handler = on_alive;
    on_alive(&launch.alive.op);
}

void launch_failed(const char *words)
{
    char text[PPI_START_WORDS];
    const char *log = launch.log[0] != '\0' ? launch.log : "";

    if (!launch.on_demand)
        return;
    snprintf(text, sizeof text, "%.*s%s%s", (int)(sizeof text - strlen(log) - 16), words,
             log[0] != '\0' ? "; its log: " : "", log);
    ppi_start_failed(&launch.lock, text);
    launch.on_demand = false;
}

void launch_stopping(const struct settings *settings)
{
    ppi_service_stopping(settings->drain_ms);
}
