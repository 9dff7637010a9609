/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens from a file: lines `token,user,uid[,"group,group"]` in CSV as Go's encoding/csv reads it. U:
 * apiserver pkg/authentication/token/tokenfile.
 */
#pragma once

#include "apiserver/user.h"

#define API_STATIC_TOKENS_MAX 1024u

typedef struct api_static_token {
	sp_str token;
	api_user user;
} api_static_token;

typedef struct api_static_tokens {
	api_static_token *items;
	size_t n;
} api_static_tokens;

/* Everything in the arena. SP_EINVAL names the line; SP_ETOOLARGE: more tokens than the limit, or no room. */
sp_code api_static_tokens_parse(sp_arena *a, sp_str text, api_static_tokens *ret, sp_err *err) SP_MUST_USE;

/* NULL when nobody has it. Takes the same time whether and where it is found. */
const api_user *api_static_tokens_find(const api_static_tokens *t, sp_str token);
