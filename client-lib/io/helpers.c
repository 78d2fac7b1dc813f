/* helpers.c: a few threads that do what the system does only while its caller waits: on a disk that
 * is slow, these wait, and no worker of a port.
 *
 * One is started when an operation comes and none is idle, up to PP_FILE_HELPERS in the process;
 * all of them leave when the last file is gone. Nobody waits for their end. In a forked child there
 * are none; so the first file opened there begins anew. */
#include <string.h>

#include "base/list.h"
#include "io/file.h"

static struct {
    struct ppi_mutex lock; /* innermost: a handle's may be held */
    struct ppi_cond work;
    struct ppi_ops waiting;
    pp_op *begun[PP_FILE_HELPERS];
    bool alive[PP_FILE_HELPERS];
    unsigned count, idle, files;
    uint32_t waiting_count;
    atomic_uint generation; /* of the process that uses them, plus 1; 0: nobody yet */
} helpers = { .lock = PPI_MUTEX_INIT, .work = PPI_COND_INIT };

void ppi_helper_main(void *argument)
{
    size_t place = (size_t)((bool *)argument - helpers.alive);

    ppi_mutex_lock(&helpers.lock);
    while (helpers.files > 0 || helpers.waiting.head != NULL) {
        pp_op *op = ppi_ops_take(&helpers.waiting);

        if (op == NULL) {
            helpers.idle++;
            ppi_cond_wait(&helpers.work, &helpers.lock);
            helpers.idle--;
            continue;
        }
        helpers.waiting_count--;
        helpers.begun[place] = op;
        ppi_mutex_unlock(&helpers.lock);
        ppi_file_help(op);
        ppi_mutex_lock(&helpers.lock);
    }
    helpers.alive[place] = false;
    helpers.count--;
    ppi_mutex_unlock(&helpers.lock);
}

static bool start_one(void)
{
    for (size_t place = 0; place < PP_FILE_HELPERS; place++) {
        if (helpers.alive[place])
            continue;
        helpers.alive[place] = true;
        if (ppi_helper_start(&helpers.alive[place])) {
            helpers.count++;
            return true;
        }
        helpers.alive[place] = false;
        return false;
    }
    return false;
}

/* Forgets the helpers of the process that this one was forked from. */
static void begin_anew(void)
{
    helpers.lock = (struct ppi_mutex)PPI_MUTEX_INIT;
    helpers.work = (struct ppi_cond)PPI_COND_INIT;
    helpers.waiting = (struct ppi_ops){ 0 };
    memset(helpers.begun, 0, sizeof helpers.begun);
    memset(helpers.alive, 0, sizeof helpers.alive);
    helpers.count = helpers.idle = helpers.files = helpers.waiting_count = 0;
}

void ppi_helpers_keep(void)
{
    unsigned own = ppi_process_generation() + 1, used = atomic_load(&helpers.generation);

    if (used != 0 && used != own)
        begin_anew();
    ppi_mutex_lock(&helpers.lock);
    atomic_store(&helpers.generation, own);
    helpers.files++;
    ppi_mutex_unlock(&helpers.lock);
}

/* The count in a child is of its own files. */
static bool of_another_process(void)
{
    return atomic_load(&helpers.generation) != ppi_process_generation() + 1;
}

void ppi_helpers_leave(void)
{
    if (of_another_process())
        return;
    ppi_mutex_lock(&helpers.lock);
    if (helpers.files > 0 && --helpers.files == 0)
        ppi_cond_broadcast(&helpers.work);
    ppi_mutex_unlock(&helpers.lock);
}

bool ppi_helpers_add(pp_op *op)
{
    if (of_another_process())
        return false;
    ppi_mutex_lock(&helpers.lock);
    bool more = helpers.idle <= helpers.waiting_count; /* the idle ones have been told already */
    bool somebody = (more && start_one()) || helpers.count > 0;
    if (somebody) {
        ppi_ops_append(&helpers.waiting, op);
        helpers.waiting_count++;
        ppi_cond_signal(&helpers.work);
    }
    ppi_mutex_unlock(&helpers.lock);
    return somebody;
}

static bool is_wanted(const pp_op *at, const pp_handle *handle, const pp_op *op)
{
    return at != NULL && (op == NULL || at == op) && at->priv_.handle == handle;
}

struct ppi_ops ppi_helpers_take_back(const pp_handle *handle, const pp_op *op)
{
    struct ppi_ops kept = { 0 }, taken = { 0 };
    pp_op *at;

    if (of_another_process())
        return taken;
    ppi_mutex_lock(&helpers.lock);
    while ((at = ppi_ops_take(&helpers.waiting)) != NULL) {
        bool wanted = is_wanted(at, handle, op);

        ppi_ops_append(wanted ? &taken : &kept, at);
        helpers.waiting_count -= wanted;
    }
    helpers.waiting = kept;
    ppi_mutex_unlock(&helpers.lock);
    return taken;
}

bool ppi_helpers_have(const pp_handle *handle, const pp_op *op)
{
    bool found = false;

    if (of_another_process())
        return false;
    ppi_mutex_lock(&helpers.lock);
    for (size_t place = 0; place < PP_FILE_HELPERS; place++)
        found |= is_wanted(helpers.begun[place], handle, op);
    ppi_mutex_unlock(&helpers.lock);
    return found;
}

void ppi_helpers_done(const pp_op *op)
{
    ppi_mutex_lock(&helpers.lock);
    for (size_t place = 0; place < PP_FILE_HELPERS; place++)
        if (helpers.begun[place] == op)
            helpers.begun[place] = NULL;
    ppi_mutex_unlock(&helpers.lock);
}
