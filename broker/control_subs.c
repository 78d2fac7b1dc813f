#include "control_subs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "control_watch.h"
#include "doc.h"
#include "log.h"
#include "pack.h"
#include "reply.h"
#include "subs.h"
#include "wire/subject.h"

static const char only_rich[] = "option 'meta' is for the rich form: say form \"rich\"";

static bool form_of(const struct option *option, enum form *form)
{
    *form = option->given && strcmp(option->text, "rich") == 0 ? FORM_RICH : FORM_PLAIN;
    return !option->given || *form == FORM_RICH || strcmp(option->text, "plain") == 0;
}

/* A new subscription of the pattern that the first param is; NULL: answered with an error. */
static struct sub *new_sub(const struct request_in *in)
{
    const char *pattern;
    size_t length;

    if (!in_text(in, 0, "the pattern", &pattern, &length))
        return NULL;
    enum ppi_subject check = ppi_subject_check(pattern, length);
    if (check > PPI_SUBJECT_PATTERN) {
        in_fail(in, "E_ARG", ppi_subject_problem(check));
        return NULL;
    }
    if (in->peer->subs_by_id.count >= in->worker->broker->settings.subs) {
        in_fail(in, "E_LIMIT", "subs: end some subscriptions first");
        return NULL;
    }
    struct sub *sub = sub_new(in->peer, pattern, length);
    if (sub == NULL)
        in_fail(in, "E_LIMIT", "the broker is out of memory");
    return sub;
}

/* Enters it and answers with its id, after the index shows it and before its first delivery. */
static void enter_sub(const struct request_in *in, struct sub *sub)
{
    char quoted[LOG_QUOTED_MAX];

    worker_write_begin(in->worker);
    int error = sub_enter(sub);
    if (error == PP_OK) {
        in_answer_number(in, sub->sid);
        worker_cork(in->worker, &in->peer->link); /* nobody can deliver before */
        calls_look(in->worker, sub);
    }
    worker_write_end(in->worker);
    if (error != PP_OK) {
        in_fail(in, error == PP_ENAME ? "E_NAMETAKEN" : "E_LIMIT",
                error == PP_ENAME
                    ? "somebody else serves this pattern, and one wants to be the only one"
                    : "the broker is out of memory");
        sub_discard(sub);
        return;
    }
    log_event(&in->worker->broker->log, LOG_DEBUG, sub->serve ? "serve" : "sub",
              "client=%" PRIu64 " sid=%" PRIu64 " pattern=%s", in->peer->id, sub->sid,
              log_quote(quoted, sub->pattern, sub->pattern_length));
}

static bool is_policy(const struct option *policy)
{
    return !policy->given || strcmp(policy->text, "block") == 0 ||
           strcmp(policy->text, "cut") == 0 || strcmp(policy->text, "drop") == 0;
}

/* What concerns $sys is of the lowest class, and all else is not. false: answered with an error. */
static bool may_be(const struct request_in *in, struct sub *sub, const struct option *group,
                   const struct option *policy)
{
    bool drop = policy->given && strcmp(policy->text, "drop") == 0;

    if (!control_is_sys(sub)) {
        if (drop)
            in_fail(in, "E_ARG", "option 'policy' is \"drop\" for $sys only");
        return !drop;
    }
    if (!control_watch(in, sub))
        return false;
    if (group->given || (policy->given && !drop)) {
        in_fail(in, "E_ARG", "of $sys the 'policy' is \"drop\", and there is no 'group'");
        return false;
    }
    return true;
}

enum ppi_verdict control_subscribe(const struct request_in *in)
{
    struct option known[] = { { .name = "form", .type = OPTION_TEXT },
                              { .name = "group", .type = OPTION_TEXT },
                              { .name = "policy", .type = OPTION_TEXT },
                              { .name = "echo", .type = OPTION_BOOL },
                              { .name = "meta", .type = OPTION_BOOL } };
    enum form form;
    const char *problem = NULL;

    if (!in_options(in, 1, known, PPI_COUNT(known)))
        return PPI_NEXT;
    if (!form_of(&known[0], &form))
        problem = "option 'form' is \"plain\" or \"rich\"";
    else if (known[1].given && !ppi_label_valid(known[1].text, known[1].text_length))
        problem = "option 'group' has 1 to 64 bytes of UTF-8 and no control bytes";
    else if (!is_policy(&known[2]))
        problem = "option 'policy' is \"block\" or \"cut\"; others are not supported";
    else if (known[4].truth && form == FORM_PLAIN)
        problem = only_rich;
    if (problem != NULL) {
        in_fail(in, "E_ARG", problem);
        return PPI_NEXT;
    }
    struct sub *sub = new_sub(in);
    if (sub == NULL)
        return PPI_NEXT;
    if (!may_be(in, sub, &known[1], &known[2])) {
        sub_discard(sub);
        return PPI_NEXT;
    }
    sub->form = form;
    sub->echo = known[3].truth;
    sub->meta = known[4].truth;
    sub->cut = known[2].given && strcmp(known[2].text, "cut") == 0;
    if (known[1].given && (sub->group = sub_copy_text(known[1].text)) == NULL) {
        in_fail(in, "E_LIMIT", "the broker is out of memory");
        sub_discard(sub);
        return PPI_NEXT;
    }
    enter_sub(in, sub);
    return PPI_NEXT;
}

static bool keep_doc(struct sub *sub, struct ppi_slice doc)
{
    sub->doc = malloc(doc.size);
    if (sub->doc == NULL)
        return false;
    memcpy(sub->doc, doc.data, doc.size);
    sub->doc_size = doc.size;
    return true;
}

enum ppi_verdict control_serve(const struct request_in *in)
{
    struct option known[] = { { .name = "form", .type = OPTION_TEXT },
                              { .name = "exclusive", .type = OPTION_BOOL },
                              { .name = "max_inflight", .type = OPTION_NUMBER },
                              { .name = "meta", .type = OPTION_BOOL },
                              { .name = "doc", .type = OPTION_ANY } };
    char problem[OPTION_PROBLEM_MAX];
    enum form form;

    if (!in_options(in, 1, known, PPI_COUNT(known)))
        return PPI_NEXT;
    if (!form_of(&known[0], &form) || known[2].number > UINT32_MAX) {
        in_fail(in, "E_ARG", "option 'form' is \"plain\" or \"rich\", 'max_inflight' below 2^32");
        return PPI_NEXT;
    }
    if (known[3].truth && form == FORM_PLAIN) {
        in_fail(in, "E_ARG", only_rich);
        return PPI_NEXT;
    }
    if (known[4].given && !doc_check(known[4].raw, problem)) {
        in_fail(in, "E_ARG", problem);
        return PPI_NEXT;
    }
    struct sub *sub = new_sub(in);
    if (sub == NULL)
        return PPI_NEXT;
    if (control_is_sys(sub)) {
        in_fail(in, "E_PERM", "$sys is the broker's own");
        sub_discard(sub);
        return PPI_NEXT;
    }
    if (known[4].given && !keep_doc(sub, known[4].raw)) {
        in_fail(in, "E_LIMIT", "the broker is out of memory");
        sub_discard(sub);
        return PPI_NEXT;
    }
    sub->serve = true;
    sub->meta = known[3].truth;
    sub->form = form;
    sub->exclusive = known[1].truth;
    sub->max_inflight = (uint32_t)known[2].number;
    enter_sub(in, sub);
    return PPI_NEXT;
}

static void answer_unsub(const struct request_in *in, uint64_t delivered)
{
    struct reply reply;

    if (!in->call)
        return;
    reply_begin(&reply, in->frame->id);
    msgpack_pack_map(&reply.packer, 2);
    pack_number(&reply.packer, "delivered", delivered);
    pack_number(&reply.packer, "discarded", 0); /* what is queued goes out before this answer */
    reply_end(in->worker, in->peer, &reply);
}

enum ppi_verdict control_unsubscribe(const struct request_in *in)
{
    struct option known[] = { { .name = "max", .type = OPTION_NUMBER } };
    uint64_t sid, delivered = 0;

    if (!in_number(in, 0, "the subscription's id", &sid) ||
        !in_options(in, 1, known, PPI_COUNT(known)))
        return PPI_NEXT;
    worker_write_begin(in->worker);
    struct sub *sub = ppi_map_get(&in->peer->subs_by_id, sid);
    if (sub != NULL) {
        ppi_mutex_lock(&in->peer->link.lock);
        delivered = sub->delivered + sub_queued(sub);
        ppi_mutex_unlock(&in->peer->link.lock);
        if (known[0].given && known[0].number > atomic_load(&sub->accepted) && !sub->serve) {
            sub->max = known[0].number;
            in->worker->broker->version++;
        } else {
            sub_end(sub);
        }
    }
    worker_write_end(in->worker);
    if (sub == NULL)
        in_fail(in, "E_NOTFOUND", "this connection has no such subscription");
    else
        answer_unsub(in, delivered);
    return PPI_NEXT;
}
