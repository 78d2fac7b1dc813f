/* doc.h: what a service says about itself, for those who would call it:
 *
 *     "what it does"
 *     {text: "what it does", params: [[name, type], [name, type, text], ...], result: "type",
 *      errors: ["E_NAME when", ...]}
 *
 * All of them are texts, and may be left out; the words for types are the service's own. Keys that
 * begin with "x-" may hold anything. */
#ifndef DOC_H
#define DOC_H

#include "options.h"

enum { DOC_BYTES_MAX = 4096 };

/* Is a value such a doc? false: problem says what is wrong. */
bool doc_check(struct ppi_slice doc, char problem[OPTION_PROBLEM_MAX]);

#endif
