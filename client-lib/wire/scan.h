/* scan.h: finds the end of a frame, and is the validation of everything that comes in.
 *
 * A frame is one MessagePack-RPC message: [0, id, subject, params], [1, id, error, result] or
 * [2, subject, params]. The scanner builds no objects and looks at each byte once, however the
 * bytes are cut: it is msgpack-c's parser template with callbacks that note the envelope's few
 * fields and the depth, and a shorter way for the frames that are whole. Pure functions: no I/O, no
 * allocation. */
#ifndef PPI_SCAN_H
#define PPI_SCAN_H

#include <stddef.h>
#include <stdint.h>

enum {
    PPI_DEPTH_MAX = 32,        /* nesting of a whole frame */
    PPI_PARAMS_DEPTH_MAX = 28, /* of params that are routed, so that every form fits */
    PPI_FRAME_MAX = 16 * 1024 * 1024,
    PPI_FRAME_RESERVE = 4 * 1024 /* routed params are that much smaller than a frame may be */
};

enum ppi_type { PPI_CALL = 0, PPI_ANSWER = 1, PPI_NOTIFICATION = 2 };

/* A whole frame where it lies; valid as long as those bytes. Offsets count from data. */
struct ppi_frame {
    const uint8_t *data;
    uint32_t size;
    uint32_t id;             /* calls and answers */
    uint32_t subject;        /* calls and notifications: where its text is; not checked yet */
    uint32_t subject_length; /* any */
    uint32_t rest;           /* where the subject's header begins, or the answer's error */
    uint32_t params;         /* where the params begin, or the answer's result */
    uint8_t type;            /* enum ppi_type */
    uint8_t depth;           /* nesting of the params or the result: 1 is a flat array */
};

/* The subject's text; not terminated. */
static inline const char *ppi_frame_subject(const struct ppi_frame *frame)
{
    return (const char *)frame->data + frame->subject;
}

enum ppi_scan {
    PPI_SCAN_FRAME, /* a whole frame: it is filled in */
    PPI_SCAN_MORE,  /* so far so good */
    PPI_SCAN_ALIEN, /* the first byte cannot begin a frame: somebody speaks another language */
    PPI_SCAN_BAD,   /* not a frame: malformed, or not the envelope */
    PPI_SCAN_DEEP,  /* nested deeper than PPI_DEPTH_MAX */
    PPI_SCAN_LARGE  /* is, or claims to become, larger than frame_max */
};

/* The scanner's memory between two pieces of a frame. */
struct ppi_scanner;
enum { PPI_SCANNER_BYTES = 1024 };

/* frame_max: bytes, at most PPI_FRAME_MAX. memory: PPI_SCANNER_BYTES, aligned for a pointer. */
struct ppi_scanner *ppi_scanner_init(void *memory, uint32_t frame_max);

/* Forgets what was scanned of the current frame. ppi_scan does so itself after a whole one. */
void ppi_scanner_reset(struct ppi_scanner *scanner);

/* Scans on. data[0 .. size) is the frame from its first byte as far as it has come; between calls
 * it may have moved, and grown. */
enum ppi_scan ppi_scan(struct ppi_scanner *scanner, const uint8_t *data, size_t size,
                       struct ppi_frame *frame);

/* One value by itself, in bytes that a scanner has found valid. */
enum ppi_value_kind { PPI_VALUE_OTHER, PPI_VALUE_NUMBER, PPI_VALUE_TEXT, PPI_VALUE_ARRAY };
struct ppi_value {
    enum ppi_value_kind kind;
    size_t size;      /* of the value, in bytes */
    uint64_t number;  /* PPI_VALUE_NUMBER: not negative */
    const char *text; /* PPI_VALUE_TEXT: not terminated */
    size_t text_length;
    unsigned depth; /* nesting: 0 for a scalar, 1 for a flat array */
};
/* The first value of data[0 .. size). size 0 in the result: there is no whole one, or, if depth is
 * above PPI_DEPTH_MAX, it nests too deep. */
struct ppi_value ppi_value_at(const uint8_t *data, size_t size);

/* The same for an array of which only this is wanted: its bytes, and how deep it nests: more than
 * PPI_DEPTH_MAX if that cannot be told. 0: it is no array, or not whole. */
size_t ppi_array_at(const uint8_t *data, size_t size, unsigned *depth);

/* The first max elements of the array that a value is, each with its bytes; how many elements it
 * has, or -1: it is no array. */
struct ppi_slice {
    const uint8_t *data;
    size_t size;
};
int ppi_slices(const uint8_t *data, size_t size, struct ppi_slice *slices, int max);

/* After PPI_SCAN_MORE: how many bytes at least are missing. */
uint32_t ppi_scan_missing(const struct ppi_scanner *scanner);

#endif
