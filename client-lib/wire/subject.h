/* subject.h: subjects and patterns: tokens separated by '.'.
 *
 * A subject is 1 to 255 bytes of UTF-8 without control bytes and spaces, no token empty. In a
 * pattern the token "*" stands for exactly one token, and ">" as the last for one or more. */
#ifndef PPI_SUBJECT_H
#define PPI_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PPI_SUBJECT_MAX = 255, PPI_LABEL_MAX = 64 };

enum ppi_subject {
    PPI_SUBJECT_PLAIN,   /* a subject; also a pattern that matches itself only */
    PPI_SUBJECT_PATTERN, /* has a wildcard: for subscribing only */
    PPI_SUBJECT_LENGTH,  /* empty, or longer than PPI_SUBJECT_MAX */
    PPI_SUBJECT_BYTES,   /* a space, a control byte, or not UTF-8 */
    PPI_SUBJECT_TOKEN,   /* an empty token */
    PPI_SUBJECT_REST     /* ">" is not the last token */
};

enum ppi_subject ppi_subject_check(const char *text, size_t length);

/* What is wrong, in words; for the first two "". */
const char *ppi_subject_problem(enum ppi_subject result);

/* Takes the token at *at out of text; false: there is none left. */
bool ppi_subject_token(const char *text, size_t length, size_t *at, const char **token,
                       size_t *token_length);

/* Does a valid pattern match a valid subject? The wildcards never match a first token that begins
 * with '$' or '@'. */
bool ppi_subject_match(const char *pattern, size_t pattern_length, const char *subject,
                       size_t subject_length);

/* Is there a subject that two valid patterns both match? */
bool ppi_subject_overlap(const char *pattern, size_t pattern_length, const char *other,
                         size_t other_length);

/* Why it cannot be published to, or called, in words; NULL: it can. */
const char *ppi_subject_refusal(const char *text, size_t length);

/* Is it a name for a client, or for a queue group: 1 to 64 bytes of UTF-8, no control bytes? */
bool ppi_label_valid(const char *text, size_t length);

/* Is valid UTF-8? */
bool ppi_utf8(const char *text, size_t length);

#endif
