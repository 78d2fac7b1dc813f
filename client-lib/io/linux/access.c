/* access.c: who may use a socket, asked of the system for each connection that came.
 *
 * The mode of the socket's file keeps others out as far as a mode can; but a mode can be changed,
 * and a socket be opened by somebody else for us. So the uid that connected decides. A uid that
 * this user namespace does not know appears as the overflow uid, and so may any number of users:
 * it is nobody's, and may nothing. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/status.h"
#include "io/linux/linux.h"
#include "io/sys.h"

enum { ENTRY_BYTES = 4096, GROUPS_MAX = 65536 };

/* --- users and groups --------------------------------------------------------------------------
 */

bool ppi_id_parse(const char *text, uint32_t *id)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    *id = (uint32_t)value;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && value < UINT32_MAX;
}

static bool find_user(const char *name, uint32_t *uid)
{
    char memory[ENTRY_BYTES];
    struct passwd entry, *found = NULL;

    if (ppi_id_parse(name, uid))
        return true;
    if (getpwnam_r(name, &entry, memory, sizeof memory, &found) != 0 || found == NULL)
        return false;
    *uid = found->pw_uid;
    return true;
}

bool ppi_user_name(const pp_peer *who, char *name, size_t size)
{
    char memory[ENTRY_BYTES];
    struct passwd entry, *found = NULL;

    if ((who->flags & PP_PEER_UID) == 0 || ppi_uid_is_nobodys(who->uid) ||
        getpwuid_r(who->uid, &entry, memory, sizeof memory, &found) != 0 || found == NULL)
        return false;
    int length = snprintf(name, size, "%s", found->pw_name);
    return length > 0 && (size_t)length < size;
}

static bool find_group(const char *name, uint32_t *gid)
{
    char memory[ENTRY_BYTES];
    struct group entry, *found = NULL;

    if (ppi_id_parse(name, gid))
        return true;
    if (getgrnam_r(name, &entry, memory, sizeof memory, &found) != 0 || found == NULL)
        return false;
    *gid = found->gr_gid;
    return true;
}

/* Does this process see all users of the system as themselves? Then no uid stands for others. */
static bool sees_all_users(void)
{
    unsigned inside = 1, outside = 1, count = 0;
    FILE *map = fopen("/proc/self/uid_map", "re");
    bool read = map != NULL && fscanf(map, "%u %u %u", &inside, &outside, &count) == 3;

    if (map != NULL)
        fclose(map);
    return !read || (inside == 0 && outside == 0 && count == UINT32_MAX);
}

static uint32_t overflow_uid(void)
{
    unsigned uid = 65534;
    FILE *file = fopen("/proc/sys/kernel/overflowuid", "re");

    if (file == NULL || fscanf(file, "%u", &uid) != 1)
        uid = 65534;
    if (file != NULL)
        fclose(file);
    return uid;
}

bool ppi_uid_is_nobodys(uint32_t uid)
{
    static _Atomic int64_t known = -2; /* -2: not looked yet; -1: there is none such */
    int64_t nobodys = atomic_load_explicit(&known, memory_order_relaxed);

    if (nobodys == -2) {
        nobodys = sees_all_users() ? -1 : (int64_t)overflow_uid();
        atomic_store_explicit(&known, nobodys, memory_order_relaxed);
    }
    return (int64_t)uid == nobodys;
}

/* --- a listener's rule -------------------------------------------------------------------------
 */

int ppi_access_open(struct ppi_access *access, const pp_listen_config *config)
{
    *access = (struct ppi_access){ .access = (uint8_t)config->access };
    if (config->access == PP_ACCESS_USER && config->user == NULL)
        return ppi_fail(PP_EINVAL, "access %s wants a user", pp_access_name(config->access));
    if (config->access == PP_ACCESS_USER && !find_user(config->user, &access->user))
        return ppi_fail(PP_EINVAL, "there is no user %.80s", config->user);
    access->has_group = config->access == PP_ACCESS_ADMINS && config->group != NULL;
    if (access->has_group && !find_group(config->group, &access->group))
        return ppi_fail(PP_EINVAL, "there is no group %.80s", config->group);
    return PP_OK;
}

bool ppi_access_is_private(const struct ppi_access *access)
{
    return access->access == PP_ACCESS_OWNER ||
           (access->access == PP_ACCESS_ADMINS && !access->has_group);
}

/* Is the process that connected a member of the group? */
static bool is_member(int fd, gid_t own, gid_t group)
{
    gid_t few[64], *gids = few;
    socklen_t size = sizeof few;
    bool member = own == group;

    int error = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, few, &size);
    if (error != 0 && errno == ERANGE && size <= GROUPS_MAX * sizeof *gids &&
        (gids = malloc(size)) != NULL)
        error = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &size);
    for (size_t i = 0; error == 0 && !member && i < size / sizeof *gids; i++)
        member = gids[i] == group;
    if (gids != few)
        free(gids);
    return member;
}

static bool allows(const struct ppi_access *access, int fd, const struct ucred *who)
{
    if (ppi_uid_is_nobodys(who->uid))
        return false;
    if (who->uid == 0 || who->uid == geteuid())
        return true;
    switch (access->access) {
    case PP_ACCESS_LOCAL: return true;
    case PP_ACCESS_USER: return who->uid == access->user;
    case PP_ACCESS_ADMINS: return access->has_group && is_member(fd, who->gid, access->group);
    default: return false;
    }
}

/* A line for who reads it; nothing is waited for. */
static void tell(const struct ppi_access *access, int fd, uint32_t uid)
{
    char line[200];
    int length = snprintf(line, sizeof line,
                          "E_PERM uid %u may not use this pipe, which is for %s: whoever runs the "
                          "server can change that (its access)\n",
                          (unsigned)uid, pp_access_name(access->access));

    (void)!send(fd, line, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Who is sent away has perhaps not said yet what it came to say: if its socket were gone, it would
 * fail at that, and not read why. So it is kept for a while, that is until others are sent away. */
static void send_away(struct ppi_access *access, int fd)
{
    int *place = &access->away[access->turn++ % PPI_COUNT(access->away)];

    shutdown(fd, SHUT_WR);
    if (*place != 0)
        close(*place - 1);
    *place = fd + 1;
}

void ppi_access_close(struct ppi_access *access)
{
    for (size_t i = 0; i < PPI_COUNT(access->away); i++)
        if (access->away[i] != 0)
            close(access->away[i] - 1);
    *access = (struct ppi_access){ 0 };
}

bool ppi_access_admits(struct ppi_access *access, int fd, uint32_t *uid)
{
    struct ucred who = { .uid = UINT32_MAX };
    socklen_t size = sizeof who;
    bool admitted =
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && allows(access, fd, &who);

    *uid = who.uid;
    if (!admitted) {
        tell(access, fd, who.uid);
        send_away(access, fd);
    }
    return admitted;
}

int pp_access_describe(const pp_listen_config *config, char *text, size_t size)
{
    struct ppi_access access;
    char own[16] = "", also[32] = "";

    if (config == NULL || config->size != sizeof *config || config->access > PP_ACCESS_ADMINS ||
        text == NULL)
        return ppi_fail(PP_EINVAL, "config, config.access or text is wrong");
    int error = ppi_access_open(&access, config);
    if (error != PP_OK)
        return error;
    const char *mode = ppi_access_is_private(&access) ? "0600" : "0666";
    if (access.access == PP_ACCESS_USER)
        snprintf(also, sizeof also, ",%u", (unsigned)access.user);
    else if (access.has_group)
        snprintf(also, sizeof also, " gid=%u", (unsigned)access.group);
    if (geteuid() != 0)
        snprintf(own, sizeof own, ",%u", (unsigned)geteuid());
    if (access.access == PP_ACCESS_LOCAL)
        snprintf(text, size, "mode=%s uids=all", mode);
    else
        snprintf(text, size, "mode=%s uids=0%s%s", mode, own, also);
    return PP_OK;
}
