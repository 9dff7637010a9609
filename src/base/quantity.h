/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes quantities ("500m", "1.5Gi", "2e3") with upstream's canonical text. Held exactly in nano units,
 * which upstream rounds to as well; the format is the suffix family it prints in.
 * U: apimachinery pkg/api/resource/quantity.go. Unlike there, amounts from 1.7e29 on are refused.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef enum sp_qty_format { SP_QTY_DECIMAL_SI, SP_QTY_BINARY_SI, SP_QTY_DECIMAL_EXPONENT } sp_qty_format;

typedef struct sp_qty {
	__int128 nanos;
	sp_qty_format format;
} sp_qty;

/* SP_EINVAL with upstream's text; SP_ETOOLARGE as said above. */
sp_code sp_qty_parse(sp_str text, sp_qty *ret, sp_err *err) SP_MUST_USE;

/* Canonical text in the arena; {NULL, 0} when there is no room. */
sp_str sp_qty_print(sp_arena *a, sp_qty q);

/*
 * What Go writes of a quantity it has read, in the arena: upstream keeps the text where it takes it for
 * canonical ("1.500", "12E6", "+5") and prints the amount otherwise. Idempotent. Errors of sp_qty_parse;
 * SP_ETOOLARGE also without room.
 */
sp_code sp_qty_text(sp_arena *a, sp_str text, sp_str *ret, sp_err *err) SP_MUST_USE;

/* Whole units / thousandths, rounded away from zero, held at the ends of int64. */
int64_t sp_qty_value(const sp_qty *q);
int64_t sp_qty_milli(const sp_qty *q);

/* <0, 0, >0 by amount; the format does not matter. */
int sp_qty_cmp(const sp_qty *a, const sp_qty *b);

/* *a += b, *a -= b. A zero *a takes the other's format. False: out of range, *a unchanged. */
bool sp_qty_add(sp_qty *a, const sp_qty *b) SP_MUST_USE;
bool sp_qty_sub(sp_qty *a, const sp_qty *b) SP_MUST_USE;
