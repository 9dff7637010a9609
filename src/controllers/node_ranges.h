/* SPDX-License-Identifier: Apache-2.0 */
/* A range of addresses cut into equal parts, and which of them are taken. */
#pragma once

#include "base/err.h"
#include "base/ip.h"

typedef struct node_range {
	sp_cidr all;
	uint32_t n_bits; /* of a part's prefix, counted as in all.n_bits */
	uint32_t n, next;
	uint8_t *taken; /* of each part */
} node_range;

/* At most 2^16 parts. SP_EINVAL: no range, or no such parts of it. */
sp_code node_range_init(node_range *r, sp_str cidr, uint32_t mask_v4, uint32_t mask_v6,
			sp_err *err) SP_MUST_USE;
void node_range_done(node_range *r);
/* Takes or gives back all parts that `c` has addresses of; another family has none. */
void node_range_mark(node_range *r, const sp_cidr *c, bool taken);
/* The next free part, which is taken then; they go round. False: there is none. */
bool node_range_take(node_range *r, sp_cidr *ret);
