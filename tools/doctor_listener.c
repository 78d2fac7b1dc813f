/* doctor_listener.c: where a broker would be, who is there, and whether it lets this user in. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <panpipe/sys.h>

#include "doctor.h"
#include "error.h"
#include "options.h"
#include "panpipe_version.h"

enum { LOOK_MS = 200, NS_PER_MS = 1000000 };

/* --- looking --------------------------------------------------------------------------------- */

/* Others are asked for nothing: it is enough that they let this user in, or have no room now. */
static bool listens(const struct ppi_name_report *name)
{
    struct talk talk;
    int status = talk_open(&talk, name->path, PP_SCOPE_USER, false, LOOK_MS);

    talk_close(&talk);
    return status == PP_OK || status == PP_EBUSY;
}

static void look_for_names(struct doctor *doctor)
{
    static struct ppi_name_report found[PPI_EXAMINE_NAMES];
    size_t count;

    doctor->names_known = ppi_examine_names(found, &count);
    for (size_t i = 0; i < count; i++) {
        struct doctor_name *name = &doctor->names[doctor->name_count];

        if (strcmp(found[i].path, doctor->place.path) == 0)
            continue;
        *name = (struct doctor_name){ found[i], listens(&found[i]) };
        doctor->name_count++;
    }
}

int doctor_look(struct doctor *doctor)
{
    int status = ppi_examine_place(doctor->name, doctor->scope, &doctor->place);

    if (status != PP_OK)
        return status;
    doctor->logical = strcmp(doctor->name, doctor->place.path) != 0;
    doctor->connected =
        talk_open(&doctor->talk, doctor->name, doctor->scope, false, doctor->patience_ms);
    look_for_names(doctor);
    return PP_OK;
}

void doctor_command(const struct doctor *doctor, char command[DOCTOR_COMMAND_MAX])
{
    bool plain = strcmp(doctor->name, "default") == 0;

    snprintf(command, DOCTOR_COMMAND_MAX, "panpiped%s%s%s", plain ? "" : " -b ",
             plain ? "" : doctor->name,
             doctor->scope == PP_SCOPE_SYSTEM ? " --system, as root or as a service" : "");
}

/* --- where ----------------------------------------------------------------------------------- */

static void examine_folder(struct doctor *doctor)
{
    const struct ppi_place_report *place = &doctor->place;
    bool bad = place->client == PP_EUNTRUSTED;

    if (place->folder_exists) {
        doctor_found(doctor, "folder", "%s%s%s", bad ? "not trusted: " : place->folder,
                     bad ? "" : " ", bad ? place->client_words : place->folder_words);
        if (bad)
            doctor_fail(doctor, EXIT_DENIED,
                        doctor->logical ? "make it yours alone: chown, chmod go-w; or remove it"
                                        : "choose a folder where others cannot put a server");
        else if (place->server != PP_OK && doctor->connected != PP_OK)
            doctor_warn(doctor, "panpiped refuses to listen there: %s", place->server_words);
        return;
    }
    if (doctor->logical && place->above_exists) {
        doctor_found(doctor, "folder", "there is no %s yet: panpiped makes it", place->folder);
        return;
    }
    doctor_found(doctor, "folder", "there is no folder %s", place->folder);
    if (doctor->logical && place->variable != NULL && !place->fallback)
        doctor_fail(doctor, EXIT_NO_BROKER, "make the folder that %s names, or correct that",
                    place->variable);
    else
        doctor_fail(doctor, EXIT_NO_BROKER, "make it, or correct the path");
}

void doctor_place(struct doctor *doctor)
{
    const struct ppi_place_report *place = &doctor->place;
    const char *whose = doctor->scope == PP_SCOPE_SYSTEM ? "everybody's" : "this user's";

    if (!doctor->logical)
        doctor_found(doctor, "place", "%s (a path, %s)", place->path, doctor->source);
    else
        doctor_found(doctor, "place", "%s \"%s\" (%s): %s", whose, doctor->name, doctor->source,
                     place->path);
    if (place->fallback && doctor->connected != PP_OK)
        doctor_warn(doctor, "%s is not set here: who has it set is elsewhere; set it as there",
                    place->variable);
    if (place->folder[0] != '\0')
        examine_folder(doctor);
}

/* --- who is there ---------------------------------------------------------------------------- */

/* How to get to a broker that runs, if it could be the one that was meant. */
static bool suggest(const struct doctor *doctor, char *words, size_t size)
{
    const char *names[PPI_EXAMINE_NAMES + 1] = { NULL };
    const struct doctor_name *meant = NULL;
    size_t count = 0;

    for (size_t i = 0; i < doctor->name_count; i++) {
        const struct doctor_name *other = &doctor->names[i];
        bool same = other->listens && strcmp(other->at.name, doctor->name) == 0;

        if (same && other->at.scope == PP_SCOPE_SYSTEM)
            snprintf(words, size, "one of that name is there for all users: add --system");
        else if (same && other->at.scope == PP_SCOPE_USER)
            snprintf(words, size, "one of that name is there for this user: leave out --system");
        else if (same)
            snprintf(words, size,
                     "one of that name is at %s, with another XDG_RUNTIME_DIR: set it so, or -b "
                     "with that path",
                     other->at.path);
        if (same)
            return true;
        if (other->listens && other->at.scope == doctor->scope)
            names[count++] = other->at.name;
    }
    const char *name = count == 1 ? names[0] : options_meant(doctor->name, names);
    for (size_t i = 0; i < doctor->name_count && name != NULL && meant == NULL; i++)
        meant = doctor->names[i].at.name == name ? &doctor->names[i] : NULL;
    if (meant != NULL)
        snprintf(words, size, "did you mean -b %s%s? That one runs", meant->at.name,
                 meant->at.scope == PP_SCOPE_SYSTEM ? " --system" : "");
    return meant != NULL;
}

/* which: more about the one that is to be started. */
static void fail_nobody(struct doctor *doctor, const char *which)
{
    char command[DOCTOR_COMMAND_MAX], other[PP_PATH_MAX + 200];

    doctor_command(doctor, command);
    bool meant = suggest(doctor, other, sizeof other);
    doctor_fail(doctor, EXIT_NO_BROKER, "%s%sstart one%s: %s", meant ? other : "",
                meant ? "; or " : "", which, command);
    doctor->symptom = !meant;
}

static void examine_nobody(struct doctor *doctor)
{
    const struct ppi_place_report *place = &doctor->place;

    if (place->there == PPI_THERE_OTHER) {
        doctor_found(doctor, "listener", "%s is there, and is no socket: it %s", place->path,
                     place->there_words);
        doctor_fail(doctor, EXIT_NO_BROKER, "remove it, or choose another name with -b");
    } else if (place->holder != 0) {
        doctor_found(doctor, "listener",
                     "nobody can connect to %s, but process %" PRIu64
                     " runs as the broker of that name: its socket was removed",
                     place->path, place->holder);
        doctor_fail(doctor, EXIT_NO_BROKER, "end process %" PRIu64 " and start it again",
                    place->holder);
    } else if (place->there == PPI_THERE_SOCKET) {
        doctor_found(doctor, "listener",
                     "no broker is running: the socket is left from one that was killed, and %s",
                     place->there_words);
        fail_nobody(doctor, ", which replaces it");
    } else {
        doctor_found(doctor, "listener", "no broker is running at %s", place->path);
        fail_nobody(doctor, "");
    }
}

/* Who listens, as the system knows it. */
static void describe(struct talk *talk, char words[DOCTOR_WORDS_MAX], uint64_t *pid)
{
    pp_peer peer = { .size = sizeof peer };
    char exe[PP_PATH_MAX * 2] = "", user[PPI_EXAMINE_USER];

    *pid = 0;
    if (talk->stream == NULL || pp_peer_get(talk->stream, &peer) != PP_OK) {
        snprintf(words, DOCTOR_WORDS_MAX, "somebody");
        return;
    }
    if (pp_peer_exe(talk->stream, exe, sizeof exe) != PP_OK)
        exe[0] = '\0';
    *pid = peer.pid;
    ppi_examine_user(&peer, user);
    snprintf(words, DOCTOR_WORDS_MAX, "process %" PRIu64 "%s%s of %s", peer.pid,
             exe[0] != '\0' ? ", " : "", exe, user);
}

/* It may be looked at, without a word to it. */
static void examine_foreign(struct doctor *doctor)
{
    char who[DOCTOR_WORDS_MAX];
    uint64_t pid;

    int status = talk_open(&doctor->talk, doctor->name, doctor->scope, true, doctor->patience_ms);
    if (status != PP_OK && doctor->place.client == PP_EUNTRUSTED)
        return; /* it is the place, of which was told already */
    describe(&doctor->talk, who, &pid);
    talk_close(&doctor->talk);
    doctor_found(doctor, "listener", "%s listens, and is not trusted", who);
    doctor_fail(doctor, EXIT_DENIED,
                "nothing was sent to it; find out whose it is, or choose another name with -b");
}

static void examine_denied(struct doctor *doctor)
{
    char words[PPI_EXAMINE_WORDS];

    ppi_examine_denied(doctor->place.path, words);
    doctor_found(doctor, "listener", "you may not open it: %s", words);
    doctor_fail(doctor, EXIT_DENIED,
                "run as its user, or let a broker for others run: panpiped --system, or with "
                "--access and a path");
}

void doctor_listener(struct doctor *doctor)
{
    char who[DOCTOR_WORDS_MAX];
    uint64_t pid;

    switch (doctor->connected) {
    case PP_OK:
        describe(&doctor->talk, who, &pid);
        doctor_found(doctor, "listener", "%s listens%s%s", who,
                     doctor->place.there_words[0] != '\0' ? "; its socket " : "",
                     doctor->place.there_words);
        break;
    case PP_ENOSERVER: examine_nobody(doctor); break;
    case PP_EUNTRUSTED: examine_foreign(doctor); break;
    case PP_EACCESS: examine_denied(doctor); break;
    case PP_EBUSY:
    case PP_ETIMEDOUT:
        doctor_found(doctor, "listener", "somebody listens, and has let nobody in for %d ms",
                     doctor->patience_ms);
        doctor_fail(doctor, EXIT_TIMED_OUT, "it hangs or is stopped: look at its process");
        break;
    default:
        doctor_found(doctor, "listener", "%s",
                     doctor->talk.words[0] != '\0' ? doctor->talk.words
                                                   : pp_strerror(doctor->connected));
        doctor_fail(doctor, doctor->connected == PP_ELIMIT ? EXIT_LIMIT : EXIT_FAILED,
                    doctor->connected == PP_ELIMIT
                        ? "this process has no descriptor left: ulimit -n"
                        : "see what the system says about it");
    }
}

/* --- what it says ---------------------------------------------------------------------------- */

/* [{"v": 1, "name": "panpipe-doctor"}] */
static const char greeting[] = "\x91\x82\xa1v\x01\xa4name\xaepanpipe-doctor";
static const char nothing[] = "\x90";

static void examine_strange(struct doctor *doctor, enum talk_end end)
{
    const char *words = doctor->talk.words;

    if (end == TALK_REFUSED) {
        bool denied = strncmp(words, "E_PERM", strlen("E_PERM")) == 0;

        doctor_found(doctor, "answer", "it does not let you in: %s", words);
        doctor_fail(doctor, denied ? EXIT_DENIED : EXIT_LIMIT,
                    denied ? "run as its user, or change its --access"
                           : "let others go, or raise connections, connections_user in its "
                             "settings");
    } else if (end == TALK_SILENT) {
        doctor_found(doctor, "answer", "it did not answer within %d ms", doctor->patience_ms);
        doctor_fail(doctor, EXIT_TIMED_OUT,
                    "if it is a broker it hangs, or is stopped: look at its process and its log");
        doctor->symptom = true;
    } else if (end == TALK_ENDED) {
        doctor_found(doctor, "answer", "it ended the connection without an answer");
        doctor_fail(doctor, EXIT_PROTOCOL,
                    "if it is a broker its log says why: it leaves, or has no room; else choose "
                    "another name with -b");
    } else if (end == TALK_ERROR && strncmp(words, "E_VERSION", strlen("E_VERSION")) == 0) {
        doctor_found(doctor, "answer", "it speaks another version of the protocol: %s", words);
        doctor_fail(doctor, EXIT_PROTOCOL, "use panpipe and panpiped of one release");
    } else {
        doctor_found(doctor, "answer", "it is no broker: it answers %s%s",
                     end == TALK_ERROR ? "$hello with " : "what is not the protocol",
                     end == TALK_ERROR ? words : "");
        doctor_fail(doctor, EXIT_PROTOCOL,
                    "something else has that place: end it, or choose another name with -b");
    }
}

void doctor_answer(struct doctor *doctor)
{
    if (doctor->connected != PP_OK)
        return;
    uint64_t begin_ns = pp_now_ns();
    enum talk_end end =
        talk_ask(&doctor->talk, "$hello", greeting, sizeof greeting - 1, &doctor->hello);
    double ms = (double)(pp_now_ns() - begin_ns) / NS_PER_MS;
    if (end == TALK_ANSWER && json_is_object(doctor->hello)) {
        doctor->answers = true;
        doctor_found(doctor, "answer", "it answers as a broker, in %.1f ms", ms);
    } else {
        examine_strange(doctor, end == TALK_ANSWER ? TALK_STRANGE : end);
    }
}

void doctor_rights(struct doctor *doctor)
{
    if (!doctor->answers)
        return;
    enum talk_end end =
        talk_ask(&doctor->talk, "$sys.stats", nothing, sizeof nothing - 1, &doctor->stats);
    if (end == TALK_ERROR) {
        doctor_found(doctor, "rights", "you may talk, and not operate it (top, ls, kick, stop): %s",
                     doctor->talk.words);
        return;
    }
    const char *version = json_string_value(json_object_get(doctor->stats, "version"));
    doctor_found(doctor, "rights",
                 "you may operate it; process %" PRIu64 ", up %" PRIu64 " s, clients %" PRIu64
                 ", denied %" PRIu64,
                 doctor_number(doctor->stats, "pid"),
                 doctor_number(doctor->stats, "uptime_ms") / 1000,
                 doctor_number(doctor->stats, "clients"), doctor_number(doctor->stats, "denied"));
    if (version == NULL || strcmp(version, PANPIPE_VERSION) == 0)
        return;
    doctor_found(doctor, "version", "the broker is %s, panpipe is " PANPIPE_VERSION, version);
    doctor_warn(doctor, "restart the broker with the panpiped of this release");
}

/* --- others ---------------------------------------------------------------------------------- */

void doctor_names(struct doctor *doctor)
{
    static const char *const suffixes[] = { "", " (--system)", " (another XDG_RUNTIME_DIR)" };
    char words[DOCTOR_WORDS_MAX] = "";
    const struct doctor_name *twin = NULL;
    size_t length = 0;

    for (size_t i = 0; i < doctor->name_count && length < sizeof words; i++) {
        const struct doctor_name *other = &doctor->names[i];

        if (!other->listens)
            continue;
        if (strcmp(other->at.name, doctor->name) == 0)
            twin = other;
        length +=
            (size_t)snprintf(words + length, sizeof words - length, "%s%s%s",
                             length > 0 ? ", " : "", other->at.name, suffixes[other->at.scope]);
    }
    doctor_found(doctor, "others", "%s%s",
                 length > 0            ? "these run, too: "
                 : doctor->names_known ? "no other broker runs"
                                       : "the system does not list them",
                 words);
    if (twin != NULL && doctor->connected == PP_OK)
        doctor_warn(doctor,
                    "there are two of that name, the other at %s: make sure that all "
                    "programs mean the same",
                    twin->at.path);
}
