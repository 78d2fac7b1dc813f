/* examine.c: examine.h on Linux. */
#define _GNU_SOURCE
#include "io/examine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/status.h"
#include "io/dial.h"
#include "io/linux/linux.h"
#include "io/start.h"
#include "io/sys.h"

/* --- words ----------------------------------------------------------------------------------- */

static void user_words(uint32_t uid, char words[PPI_EXAMINE_USER])
{
    const pp_peer who = { .flags = PP_PEER_UID, .uid = uid };
    char name[200];

    if (ppi_user_name(&who, name, sizeof name))
        snprintf(words, PPI_EXAMINE_USER, "%s (uid %u)", name, (unsigned)uid);
    else
        snprintf(words, PPI_EXAMINE_USER, "uid %u", (unsigned)uid);
}

void ppi_examine_user(const pp_peer *who, char words[PPI_EXAMINE_USER])
{
    if (who != NULL && (who->flags & PP_PEER_UID) == 0)
        snprintf(words, PPI_EXAMINE_USER, "a user whom the system does not name");
    else
        user_words(who != NULL ? who->uid : geteuid(), words);
}

static void file_words(const struct stat *info, char words[PPI_EXAMINE_WORDS])
{
    char user[PPI_EXAMINE_USER];

    user_words(info->st_uid, user);
    snprintf(words, PPI_EXAMINE_WORDS, "belongs to %s, mode %04o", user,
             (unsigned)info->st_mode & 07777);
}

/* --- the place ------------------------------------------------------------------------------- */

/* The path of what path lies in: "." and "/" as they are. */
static void folder_of(const char *path, char *folder, size_t size)
{
    const char *slash = strrchr(path, '/');
    int length = slash != NULL ? (int)(slash - path) : 0;

    if (length > 0)
        snprintf(folder, size, "%.*s", length, path);
    else
        snprintf(folder, size, "%s", slash != NULL ? "/" : ".");
}

static void note_status(int status, int *out, char words[PPI_EXAMINE_WORDS])
{
    *out = status;
    snprintf(words, PPI_EXAMINE_WORDS, "%s", status != PP_OK ? pp_detail() : "");
}

/* As who connects, and who listens, would judge it. */
static void judge_folder(const char *name, uint32_t scope, struct ppi_place_report *place)
{
    struct ppi_dial dial = { .logical = strchr(name, '/') == NULL };
    char path[PP_PATH_MAX];
    const char *file;
    int folder = -1, number;

    snprintf(dial.path, sizeof dial.path, "%s", place->path);
    ppi_fail_plain(PP_OK);
    note_status(ppi_server_place(&dial, &folder, &number), &place->client, place->client_words);
    if (folder >= 0)
        close(folder);
    if (!dial.logical || scope != PP_SCOPE_USER || !place->folder_exists)
        return; /* it would be made */
    folder = -1;
    note_status(ppi_place_folder(name, path, &file, &folder), &place->server, place->server_words);
    if (folder >= 0)
        close(folder);
}

/* The process that has the lock which path.lock is, as the kernel lists it: to try the lock would
 * disturb a server that begins just now. */
static uint64_t holder_of(const char *path)
{
    char file[PP_PATH_MAX + 8], line[160];
    struct stat info;
    unsigned long long inode, holder = 0;
    unsigned device[2];
    long pid;

    snprintf(file, sizeof file, "%s.lock", path);
    FILE *locks = lstat(file, &info) == 0 ? fopen("/proc/locks", "re") : NULL;
    if (locks == NULL)
        return 0;
    while (holder == 0 && fgets(line, sizeof line, locks) != NULL)
        if (sscanf(line, "%*s FLOCK %*s %*s %ld %x:%x:%llu", &pid, &device[0], &device[1],
                   &inode) == 4 &&
            pid > 0 && inode == info.st_ino && device[0] == major(info.st_dev) &&
            device[1] == minor(info.st_dev))
            holder = (unsigned long long)pid;
    fclose(locks);
    return holder;
}

static void look_at_target(struct ppi_place_report *place)
{
    struct stat info;

    place->there = PPI_THERE_NOTHING;
    if (lstat(place->path, &info) != 0)
        return;
    place->there = S_ISSOCK(info.st_mode) ? PPI_THERE_SOCKET : PPI_THERE_OTHER;
    file_words(&info, place->there_words);
    place->made_ms =
        (uint64_t)info.st_mtim.tv_sec * 1000 + (uint64_t)info.st_mtim.tv_nsec / PPI_NS_PER_MS;
}

int ppi_examine_place(const char *name, uint32_t scope, struct ppi_place_report *place)
{
    const char *runtime = ppi_environment("XDG_RUNTIME_DIR");
    char above[PP_PATH_MAX];
    struct stat info;

    *place = (struct ppi_place_report){ 0 };
    int error = pp_pipe_path(name, scope, place->path, sizeof place->path);
    if (error != PP_OK)
        return error;
    if (scope == PP_SCOPE_USER && strchr(name, '/') == NULL) {
        place->variable = "XDG_RUNTIME_DIR";
        place->fallback = runtime == NULL || runtime[0] != '/';
    }
    folder_of(place->path, place->folder, sizeof place->folder);
    folder_of(place->folder, above, sizeof above);
    place->folder_exists = lstat(place->folder, &info) == 0;
    if (place->folder_exists)
        file_words(&info, place->folder_words);
    place->above_exists = stat(above, &info) == 0 && S_ISDIR(info.st_mode);
    judge_folder(name, scope, place);
    look_at_target(place);
    place->holder = holder_of(place->path);
    return PP_OK;
}

static void groups_words(char *words, size_t size)
{
    gid_t groups[32];
    int count = getgroups(PPI_COUNT(groups), groups);
    int length = snprintf(words, size, "%u", (unsigned)getegid());

    for (int i = 0; i < count && length < (int)size; i++)
        if (groups[i] != getegid())
            length += snprintf(words + length, size - (size_t)length, " %u", (unsigned)groups[i]);
}

void ppi_examine_denied(const char *path, char words[PPI_EXAMINE_WORDS])
{
    char own[PPI_EXAMINE_USER], groups[100], part[PP_PATH_MAX], file[PPI_EXAMINE_WORDS] = "";
    struct stat info;
    const char *slash = path;
    bool passes = true;

    user_words(geteuid(), own);
    groups_words(groups, sizeof groups);
    while (passes && (slash = strchr(slash + 1, '/')) != NULL) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        passes = faccessat(AT_FDCWD, part, X_OK, AT_EACCESS) == 0;
    }
    if (passes)
        snprintf(part, sizeof part, "%s", path);
    if (stat(part, &info) == 0)
        file_words(&info, file);
    snprintf(words, PPI_EXAMINE_WORDS, "%s %.120s %.180s; you are %.80s, group %.90s",
             passes ? "the socket" : "the folder", part, file, own, groups);
}

/* --- names ----------------------------------------------------------------------------------- */

static size_t names_in(const char *folder, uint32_t scope, struct ppi_name_report *names,
                       size_t count)
{
    static const char ending[] = ".sock";
    DIR *list = opendir(folder);
    struct dirent *entry;
    struct stat info;

    while (list != NULL && count < PPI_EXAMINE_NAMES && (entry = readdir(list)) != NULL) {
        struct ppi_name_report *name = &names[count];
        size_t length = strlen(entry->d_name), end = sizeof ending - 1;

        if (length <= end || length - end >= PPI_EXAMINE_NAME ||
            strcmp(entry->d_name + length - end, ending) != 0 ||
            fstatat(dirfd(list), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISSOCK(info.st_mode) ||
            snprintf(name->path, sizeof name->path, "%s/%s", folder, entry->d_name) >=
                (int)sizeof name->path)
            continue;
        snprintf(name->name, sizeof name->name, "%.*s", (int)(length - end), entry->d_name);
        name->scope = scope;
        count++;
    }
    if (list != NULL)
        closedir(list);
    return count;
}

bool ppi_examine_names(struct ppi_name_report names[PPI_EXAMINE_NAMES], size_t *count)
{
    char path[PP_PATH_MAX], folders[2][PP_PATH_MAX] = { "", "" }, elsewhere[2][64];

    *count = 0;
    for (uint32_t scope = PP_SCOPE_USER; scope <= PP_SCOPE_SYSTEM; scope++)
        if (pp_pipe_path("any", scope, path, sizeof path) == PP_OK) {
            folder_of(path, folders[scope], sizeof folders[scope]);
            *count = names_in(folders[scope], scope, names, *count);
        }
    snprintf(elsewhere[0], sizeof elsewhere[0], "/run/user/%u/panpipe", (unsigned)geteuid());
    snprintf(elsewhere[1], sizeof elsewhere[1], "/tmp/panpipe-%u", (unsigned)geteuid());
    for (size_t i = 0; i < PPI_COUNT(elsewhere); i++)
        if (strcmp(elsewhere[i], folders[PP_SCOPE_USER]) != 0)
            *count = names_in(elsewhere[i], PPI_SCOPE_ELSEWHERE, names, *count);
    return true;
}

/* --- starting -------------------------------------------------------------------------------- */

int ppi_examine_start(const char *name, struct ppi_start_report *start)
{
    char file[PP_PATH_MAX + 8];
    struct ppi_start lock = { 0 };
    struct ppi_start_note note;

    *start = (struct ppi_start_report){ 0 };
    int error = pp_pipe_path(name, PP_SCOPE_USER, file, PP_PATH_MAX);
    if (error == PP_OK)
        error = ppi_start_log(name, start->log, sizeof start->log);
    if (error != PP_OK)
        return error;
    strcat(file, ".start");
    int fd = open(file, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return PP_OK;
    lock.lock = fd;
    /* who meets it in this moment tries again: the lock on starting is not that on the name */
    start->starting = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ppi_start_told(&lock, &note);
    start->failed = note.what == PPI_START_FAILED;
    start->when_ms = note.ms;
    snprintf(start->words, sizeof start->words, "%s", note.words);
    close(fd);
    return PP_OK;
}

int ppi_examine_program(char program[PPI_EXAMINE_PROGRAM])
{
    _Static_assert((int)PPI_EXAMINE_PROGRAM >= (int)PPI_PROGRAM_MAX, "there is room");
    return ppi_start_find(program);
}

/* Its words go to a file that has no name, which the child opens as ours. */
int ppi_examine_run(const char *const *arguments, bool errors, int timeout_ms, char *text,
                    size_t size, int *code)
{
    struct ppi_process process;
    char file[64];
    int fd = memfd_create("doctor", MFD_CLOEXEC);

    text[0] = '\0';
    if (fd < 0)
        return ppi_fail(ppi_errno_status(errno), "memfd_create: %s", strerror(errno));
    snprintf(file, sizeof file, "/proc/self/fd/%d", fd);
    const struct ppi_stdio stdio = { "/dev/null", errors ? "/dev/null" : file,
                                     errors ? file : "/dev/null" };
    int status = ppi_process_start(&process, arguments, &stdio);
    if (status == PP_OK && ppi_process_wait(&process, timeout_ms, code) == 0) {
        ppi_process_signal(&process, PPI_KILL);
        ppi_process_wait(&process, -1, code);
        status = ppi_fail_plain(PP_ETIMEDOUT);
    }
    ssize_t length = pread(fd, text, size - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    close(fd);
    return status;
}

/* --- limits ---------------------------------------------------------------------------------- */

static uint64_t count_files(const char *folder)
{
    DIR *list = opendir(folder);
    uint64_t count = 0;

    while (list != NULL && readdir(list) != NULL)
        count++;
    if (list != NULL)
        closedir(list);
    return count > 2 ? count - 2 : 0; /* . and .. */
}

static uint64_t limit_of(const char *text)
{
    unsigned long long limit;

    return sscanf(text, "%llu", &limit) == 1 ? limit : 0; /* "unlimited" */
}

void ppi_examine_handles(uint64_t pid, struct ppi_handles_report *handles)
{
    unsigned long long number = pid != 0 ? pid : (unsigned long long)getpid();
    char path[64], line[160], soft[24], hard[24];

    *handles = (struct ppi_handles_report){ 0 };
    snprintf(path, sizeof path, "/proc/%llu/fd", number);
    handles->open = count_files(path);
    snprintf(path, sizeof path, "/proc/%llu/limits", number);
    FILE *limits = fopen(path, "re");
    while (limits != NULL && fgets(line, sizeof line, limits) != NULL)
        if (sscanf(line, "Max open files %23s %23s", soft, hard) == 2) {
            handles->soft = limit_of(soft);
            handles->hard = limit_of(hard);
        }
    if (limits != NULL)
        fclose(limits);
}

bool ppi_examine_disk(const char *path, uint64_t *bytes, uint64_t *files)
{
    struct statvfs info;

    if (statvfs(path, &info) != 0)
        return false;
    *bytes = (uint64_t)info.f_bavail * info.f_frsize;
    *files = info.f_files != 0 ? info.f_favail : UINT64_MAX;
    return true;
}
