/* SPDX-License-Identifier: Apache-2.0 */
/* Text of an expression as tokens. U: cel-go parser/gen/CEL.g4 */
#pragma once

#include "base/str.h"

typedef enum cel_token_kind {
	CEL_T_END,
	CEL_T_IDENT,
	CEL_T_QUOTED_IDENT, /* `a.b` */
	CEL_T_INT,
	CEL_T_UINT,
	CEL_T_FLOAT,
	CEL_T_STRING,
	CEL_T_BYTES,
	CEL_T_OP,    /* operators, brackets, true, false, null, in: told apart by their text */
	CEL_T_ERROR, /* no token begins so */
} cel_token_kind;

typedef struct cel_token {
	cel_token_kind kind;
	sp_str text;
	uint32_t at; /* byte of the source */
} cel_token;

/* The token at or after byte `at`. */
cel_token cel_lex(sp_str source, uint32_t at);

static inline bool cel_token_is(cel_token t, const char *op)
{
	return t.kind == CEL_T_OP && sp_str_eq(t.text, sp_str_c(op));
}
