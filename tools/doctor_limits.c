/* doctor_limits.c: what runs out first: handles, room on the disk; and a clock that was set back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "doctor.h"
#include "error.h"

enum { CONNECTIONS = 16384, SPARE = 64, FEW = 16 }; /* the first is the setting's default */

/* --- handles --------------------------------------------------------------------------------- */

/* Of who listens; or of a broker that this user would start, which takes the hard limit. */
static void limits_of(const struct doctor *doctor, struct ppi_handles_report *handles,
                      uint64_t *connections)
{
    pp_peer peer = { .size = sizeof peer };
    uint64_t pid = doctor_number(doctor->stats, "pid");

    if (pid == 0 && doctor->connected == PP_OK && pp_peer_get(doctor->talk.stream, &peer) == PP_OK)
        pid = peer.pid;
    ppi_examine_handles(pid, handles);
    if (doctor->connected != PP_OK)
        handles->soft = handles->hard;
    if (doctor_number(doctor->stats, "handles") != 0)
        handles->open = doctor_number(doctor->stats, "handles");
    if (doctor_number(doctor->stats, "handles_max") != 0)
        handles->soft = doctor_number(doctor->stats, "handles_max");
    *connections = doctor_number(json_object_get(doctor->hello, "limits"), "connections");
    if (*connections == 0 && doctor->connected != PP_OK)
        *connections = CONNECTIONS;
}

void doctor_handles(struct doctor *doctor)
{
    struct ppi_handles_report handles;
    uint64_t connections;
    char most[40] = "no limit known";

    limits_of(doctor, &handles, &connections);
    if (handles.soft != 0)
        snprintf(most, sizeof most, "%" PRIu64 " at most", handles.soft);
    if (doctor->answers)
        doctor_found(doctor, "handles",
                     "the broker has %" PRIu64 " open, %s; connections = %" PRIu64, handles.open,
                     most, connections);
    else if (doctor->connected == PP_OK)
        doctor_found(doctor, "handles", "who listens has %" PRIu64 " open, %s", handles.open, most);
    else
        doctor_found(doctor, "handles", "a broker started here could have: %s", most);
    if (handles.soft == 0)
        return;
    if (doctor->connected == PP_OK && handles.open + FEW > handles.soft)
        doctor_fail(doctor, EXIT_LIMIT,
                    "hardly anybody can connect any more: raise its limit (ulimit -n, "
                    "LimitNOFILE=), or let clients go");
    else if (connections != 0 && handles.soft < connections + SPARE)
        doctor_warn(doctor,
                    "enough for about %" PRIu64 " clients: raise the hard limit (ulimit -Hn, "
                    "LimitNOFILE=), or set connections to less than that",
                    handles.soft > SPARE ? handles.soft - SPARE : 0);
}

/* --- the disk -------------------------------------------------------------------------------- */

/* Without its last part. */
static void cut_file(char *path)
{
    size_t length = strlen(path);

    while (length > 1 && path[length] != '/' && path[length] != '\\')
        length--;
    path[length] = '\0';
}

/* Where the socket and the log lie, or would. "": not known. */
static void folder_of(const struct doctor *doctor, char folder[PP_PATH_MAX])
{
    const struct ppi_place_report *place = &doctor->place;
    struct ppi_start_report start;

    snprintf(folder, PP_PATH_MAX, "%s", place->folder);
    if (place->folder_exists)
        return;
    if (folder[0] == '\0' && doctor->scope == PP_SCOPE_USER && doctor->logical &&
        ppi_examine_start(doctor->name, &start) == PP_OK)
        snprintf(folder, PP_PATH_MAX, "%s", start.log);
    if (folder[0] != '\0')
        cut_file(folder);
}

void doctor_disk(struct doctor *doctor)
{
    const uint64_t mib = 1024 * 1024;
    char folder[PP_PATH_MAX];
    uint64_t bytes, files;

    folder_of(doctor, folder);
    if (folder[0] == '\0' || !ppi_examine_disk(folder, &bytes, &files))
        return;
    if (bytes >= mib)
        doctor_found(doctor, "disk", "%" PRIu64 " MiB free at %s", bytes / mib, folder);
    else
        doctor_found(doctor, "disk", "only %" PRIu64 " bytes free at %s", bytes, folder);
    if (bytes >= mib && files >= FEW)
        return;
    if (bytes >= mib)
        doctor_found(doctor, "disk", "room for only %" PRIu64 " files at %s", files, folder);
    if (doctor->answers || bytes > 0)
        doctor_warn(doctor, "make room there: the log, and the next start, need it");
    else
        doctor_fail(doctor, EXIT_FAILED, "make room there: no broker can start without");
}

/* --- the clock ------------------------------------------------------------------------------- */

void doctor_clock(struct doctor *doctor)
{
    uint64_t made_s = doctor->place.made_ms / 1000, now_s = (uint64_t)time(NULL);

    if (!doctor->answers || made_s <= now_s + 1)
        return;
    doctor_found(doctor, "clock", "it was set back by %" PRIu64 " s or more since the broker began",
                 made_s - now_s);
    doctor_warn(doctor, "times in its log and its messages repeat; nothing else depends on them");
}
