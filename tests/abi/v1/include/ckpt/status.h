/* SPDX-License-Identifier: MIT
 *
 * Status codes. Every function that can fail returns one of them as an int:
 * zero is done, positive is the end of a sequence, negative is failure. The
 * reason of a failure is said once, through ckpt_host.fail, where it is known.
 */
#ifndef CKPT_STATUS_H
#define CKPT_STATUS_H

enum ckpt_status {
    CKPT_OK = 0,
    CKPT_END = 1,          /* a cursor has no more bytes */
    CKPT_FORMAT = -1,      /* the input breaks its format's rules; permanent */
    CKPT_LIMIT = -2,       /* the input asks for more than the budget allows */
    CKPT_UNSUPPORTED = -3, /* well formed, but this cannot be held or read */
    CKPT_OPTION = -4,      /* an option or argument is wrong */
    CKPT_CONFLICT = -5,    /* two things claim one place; an output exists */
    CKPT_IO = -6,          /* the system refused; a retry may help */
    CKPT_MEMORY = -7,      /* the system has no memory left */
    CKPT_CONTRACT = -8,    /* a plugin broke the rules of these headers */
    CKPT_CANCELLED = -9    /* the caller asked to stop */
};

#endif
