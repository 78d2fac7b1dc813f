/* examine.c: examine.h on Windows. Pipes lie in no folder, have no leftovers, and are judged by
 * their rights alone, which only those may read who may connect. */
#include "io/examine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/compiler.h"
#include "base/status.h"
#include "io/start.h"
#include "io/sys.h"
#include "io/win/win.h"

/* --- words ----------------------------------------------------------------------------------- */

void ppi_examine_user(const pp_peer *who, char words[PPI_EXAMINE_USER])
{
    pp_peer own = { .flags = PP_PEER_SID };
    const char *sid = ppi_own_sid();
    char name[80];

    snprintf(own.sid, sizeof own.sid, "%s", sid != NULL ? sid : "");
    if (who == NULL)
        who = &own;
    if ((who->flags & PP_PEER_SID) == 0)
        snprintf(words, PPI_EXAMINE_USER, "a user whom the system does not name");
    else if (ppi_user_name(who, name, sizeof name))
        snprintf(words, PPI_EXAMINE_USER, "%s (%s)", name, who->sid);
    else
        snprintf(words, PPI_EXAMINE_USER, "%s", who->sid);
}

/* --- the place ------------------------------------------------------------------------------- */

int ppi_examine_place(const char *name, uint32_t scope, struct ppi_place_report *place)
{
    *place = (struct ppi_place_report){ 0 };
    return pp_pipe_path(name, scope, place->path, sizeof place->path);
}

void ppi_examine_denied(const char *path, char words[PPI_EXAMINE_WORDS])
{
    char own[PPI_EXAMINE_USER];

    ppi_examine_user(NULL, own);
    snprintf(words, PPI_EXAMINE_WORDS,
             "the rights of %.200s let in neither you, %.200s, nor a group of yours; or this "
             "program is one of low integrity",
             path, own);
}

/* --- names ----------------------------------------------------------------------------------- */

/* What lies behind prefix, in any case, in text; NULL: it does not begin so. */
static const char *behind(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);

    return _strnicmp(text, prefix, length) == 0 ? text + length : NULL;
}

/* A pipe's name as a broker's. false: it is none, or another user's. */
static bool take_name(const char *pipe, struct ppi_name_report *out)
{
    const char *name = behind(pipe, "panpipe."), *own = ppi_own_sid(), *mine;

    if (name == NULL || own == NULL)
        return false;
    out->scope = PP_SCOPE_SYSTEM;
    mine = behind(name, own);
    if (mine != NULL && *mine == '.') {
        out->scope = PP_SCOPE_USER;
        name = mine + 1;
    } else if (behind(name, "S-1-") != NULL) {
        return false;
    }
    return snprintf(out->name, sizeof out->name, "%s", name) < (int)sizeof out->name &&
           snprintf(out->path, sizeof out->path, "\\\\.\\pipe\\%s", pipe) < (int)sizeof out->path;
}

bool ppi_examine_names(struct ppi_name_report names[PPI_EXAMINE_NAMES], size_t *count)
{
    WIN32_FIND_DATAW found;
    char pipe[PP_PATH_MAX];
    HANDLE list = FindFirstFileW(L"\\\\.\\pipe\\*", &found);
    bool known = list != INVALID_HANDLE_VALUE, more = known;

    *count = 0;
    for (; more && *count < PPI_EXAMINE_NAMES; more = FindNextFileW(list, &found))
        if (ppi_narrow(found.cFileName, pipe, sizeof pipe) && take_name(pipe, &names[*count]))
            ++*count;
    if (known)
        FindClose(list);
    return known;
}

/* --- starting -------------------------------------------------------------------------------- */

/* The lock has no name that could be looked at: it is taken for a moment. Who meets it tries
 * again. */
int ppi_examine_start(const char *name, struct ppi_start_report *start)
{
    struct ppi_start lock = { 0 };
    struct ppi_start_note note;

    *start = (struct ppi_start_report){ 0 };
    int status = ppi_start_log(name, start->log, sizeof start->log);
    if (status == PP_OK)
        status = ppi_start_take(&lock, name);
    start->starting = status == PP_EBUSY;
    if (status != PP_OK)
        return start->starting ? PP_OK : status;
    ppi_start_told(&lock, &note);
    ppi_start_drop(&lock);
    start->failed = note.what == PPI_START_FAILED;
    start->when_ms = note.ms;
    snprintf(start->words, sizeof start->words, "%s", note.words);
    return PP_OK;
}

int ppi_examine_program(char program[PPI_EXAMINE_PROGRAM])
{
    _Static_assert((int)PPI_EXAMINE_PROGRAM >= (int)PPI_PROGRAM_MAX, "there is room");
    return ppi_start_find(program);
}

static void take_words(const char *file, char *text, size_t size)
{
    FILE *words = ppi_file_open(file, "rb");
    size_t length = words != NULL ? fread(text, 1, size - 1, words) : 0;

    text[length] = '\0';
    if (words != NULL)
        fclose(words);
}

int ppi_examine_run(const char *const *arguments, bool errors, int timeout_ms, char *text,
                    size_t size, int *code)
{
    struct ppi_process process;
    char folder[PP_PATH_MAX], file[PP_PATH_MAX + 40];
    wchar_t wide[PP_PATH_MAX + 40];

    ppi_temporary_folder(folder, sizeof folder);
    snprintf(file, sizeof file, "%s\\panpipe-%016llx.txt", folder,
             (unsigned long long)ppi_random());
    const struct ppi_stdio stdio = { "NUL", errors ? "NUL" : file, errors ? file : "NUL" };
    text[0] = '\0';
    int status = ppi_process_start(&process, arguments, &stdio);
    if (status == PP_OK && ppi_process_wait(&process, timeout_ms, code) == 0) {
        ppi_process_signal(&process, PPI_KILL);
        ppi_process_wait(&process, -1, code);
        status = ppi_fail_plain(PP_ETIMEDOUT);
    }
    take_words(file, text, size);
    if (ppi_wide(file, wide, PPI_COUNT(wide)))
        DeleteFileW(wide);
    return status;
}

/* --- limits ---------------------------------------------------------------------------------- */

void ppi_examine_handles(uint64_t pid, struct ppi_handles_report *handles)
{
    HANDLE process = pid == 0 ? GetCurrentProcess()
                              : OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, (DWORD)pid);
    DWORD count = 0;

    *handles = (struct ppi_handles_report){ 0 };
    if (process == NULL)
        return;
    if (GetProcessHandleCount(process, &count))
        handles->open = count;
    if (pid != 0)
        CloseHandle(process);
}

bool ppi_examine_disk(const char *path, uint64_t *bytes, uint64_t *files)
{
    wchar_t wide[PP_PATH_MAX];
    ULARGE_INTEGER available;

    if (!ppi_wide(path, wide, PPI_COUNT(wide)) ||
        !GetDiskFreeSpaceExW(wide, &available, NULL, NULL))
        return false;
    *bytes = available.QuadPart;
    *files = UINT64_MAX;
    return true;
}
