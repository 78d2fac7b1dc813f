#include "io/dial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "io/driver.h"
#include "io/handle.h"
#include "io/name.h"

/* Twice as long as the last pause, plus up to a quarter at random. */
static uint64_t next_pause_ns(struct ppi_dial *dial, uint64_t now_ns)
{
    const uint64_t long_ns = (uint64_t)PPI_DIAL_PAUSE_LONG_MS * PPI_NS_PER_MS;
    uint64_t max_ns = (uint64_t)PPI_DIAL_PAUSE_MAX_MS * PPI_NS_PER_MS;

    if ((now_ns - dial->began_ns) / 100 > max_ns)
        max_ns = (now_ns - dial->began_ns) / 100;
    if (max_ns > long_ns)
        max_ns = long_ns;
    dial->pause_ns =
        dial->pause_ns == 0 ? (uint64_t)PPI_DIAL_PAUSE_MIN_MS * PPI_NS_PER_MS : dial->pause_ns * 2;
    if (dial->pause_ns > max_ns)
        dial->pause_ns = max_ns;
    return dial->pause_ns + ppi_random() % (dial->pause_ns / 4);
}

static void on_timer(pp_op *op)
{
    pp_handle *handle = PP_CONTAINER(op, struct ppi_dial, timer.op)->handle;

    ppi_mutex_lock(&handle->lock);
    handle->dial->timers--;
    ppi_handle_retry(handle, PPI_OUT);
    ppi_handle_unlock(handle);
    ppi_handle_unref(handle);
}

/* Does a waiter of op watch the time, and not a timer of the port? */
static bool is_driven(const pp_handle *handle, const pp_op *op)
{
    return handle->port == NULL || ppi_op_waited(op);
}

/* Sees to it that the connect is tried again; false: it cannot be, status says why. */
static bool try_later(pp_handle *handle, const pp_op *op, uint64_t now_ns, int *status)
{
    struct ppi_dial *dial = handle->dial;

    if (now_ns >= dial->deadline_ns) {
        *status = *status == PP_EBUSY ? PP_EBUSY : PP_ETIMEDOUT;
        if (*status == PP_ETIMEDOUT && (dial->started || dial->awaited))
            snprintf(dial->words, sizeof dial->words, "panpiped was started, and does not listen");
        return false;
    }
    dial->next_try_ns = now_ns + next_pause_ns(dial, now_ns);
    if (dial->next_try_ns > dial->deadline_ns)
        dial->next_try_ns = dial->deadline_ns;
    if (is_driven(handle, op))
        return true;

    dial->handle = handle;
    dial->timer.op.priv_.handler = on_timer;
    int error = ppi_timer_start(&dial->timer, handle->port, dial->next_try_ns);
    if (error == PP_ESTATE)
        return true; /* the packet of a connect that was canceled is still to come, and serves */
    if (error != PP_OK) {
        *status = error == PP_ECLOSED ? PP_ECANCELED : error; /* the port is being shut down */
        return false;
    }
    dial->timers++;
    ppi_handle_ref(handle);
    return true;
}

bool ppi_dial_begin(pp_handle *handle, pp_op *op)
{
    struct ppi_dial *dial = handle->dial;
    uint64_t now_ns = handle->port != NULL ? ppi_timer_now_ns(handle->port) : ppi_now_ns();
    int os_error = 0;

    if (op->priv_.done++ == 0) {
        dial->pause_ns = 0;
        dial->began_ns = now_ns;
        dial->words[0] = '\0';
        dial->started = dial->awaited = false;
        dial->deaths = 0;
        dial->deadline_ns = dial->timeout_ms < 0
                                ? PPI_FOREVER
                                : now_ns + (uint64_t)dial->timeout_ms * PPI_NS_PER_MS;
    } else if (is_driven(handle, op) && now_ns < dial->next_try_ns) {
        return false;
    }

    int status = handle->driver->connect(handle, &os_error);
    if (status == PP_ENOSERVER && dial->start[0] != '\0')
        status = ppi_start_try(handle, &os_error);
    const uint32_t patient = PP_DIAL_WAIT_SERVER | PP_DIAL_START;
    bool again = status == PP_EBUSY ||
                 (status == PP_ENOSERVER && (dial->flags & patient) != 0 && dial->words[0] == '\0');
    if (again && try_later(handle, op, now_ns, &status))
        return false;
    if (status == PP_OK)
        handle->state = PPI_OPEN;
    op->priv_.done = 0;
    ppi_op_result(op, status, os_error, 0);
    return true;
}

void ppi_dial_stop(pp_handle *handle)
{
    if (!ppi_timer_stop(&handle->dial->timer, handle->port))
        return;
    handle->dial->timers--;
    ppi_handle_unref(handle);
}

void ppi_dial_taken(pp_handle *handle)
{
    ppi_mutex_lock(&handle->lock);
    struct ppi_dial *dial = handle->dial;

    if (dial != NULL && dial->words[0] != '\0')
        ppi_fail(PP_ENOSERVER, "%s", dial->words);
    if (dial != NULL && handle->state == PPI_OPEN && dial->timers == 0) {
        handle->dial = NULL;
        free(dial);
    }
    ppi_mutex_unlock(&handle->lock);
}

int ppi_dial_check_start(const char *name, uint32_t scope)
{
    if (scope != PP_SCOPE_USER)
        return ppi_fail(PP_EINVAL, "a broker for all users is not started by one of them");
    if (!ppi_name_valid(name))
        return ppi_fail(PP_EINVAL, "only a broker with a name is started, not one at a path: %s",
                        name);
    return PP_OK;
}

/* Copies text into out; false: it does not fit. */
static bool copy(char *out, size_t size, const char *text)
{
    return snprintf(out, size, "%s", text) < (int)size;
}

int pp_dial(pp_handle **out, const char *name, const pp_dial_config *config)
{
    static const pp_dial_config defaults = PP_DIAL_CONFIG_INIT;

    if (config == NULL)
        config = &defaults;
    if (out == NULL || name == NULL || config->size != sizeof *config)
        return ppi_fail(PP_EINVAL, "out, name and config.size must be set");

    struct ppi_dial *dial = calloc(1, sizeof *dial);
    if (dial == NULL)
        return ppi_fail_plain(PP_ENOMEM);
    dial->flags = config->flags;
    dial->logical = strpbrk(name, "/\\") == NULL;
    dial->timeout_ms = config->timeout_ms == 0 ? PPI_DIAL_TIMEOUT_MS : config->timeout_ms;
    int error = pp_pipe_path(name, config->scope, dial->path, sizeof dial->path);
    if (error == PP_OK && (config->flags & PP_DIAL_START) != 0) {
        error = ppi_dial_check_start(name, config->scope);
        snprintf(dial->start, sizeof dial->start, "%s", name);
    }
    if (error == PP_OK && config->server != NULL &&
        !copy(dial->server, sizeof dial->server, config->server))
        error = ppi_fail(PP_EINVAL, "config.server is too long");
    if (error == PP_OK)
        error = ppi_transport()->dial(out);
    if (error != PP_OK) {
        free(dial);
        return error;
    }
    (*out)->dial = dial;
    (*out)->state = PPI_NEW;
    return PP_OK;
}
