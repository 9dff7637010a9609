/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of base/json only. */
#pragma once

#include "base/json.h"

/*
 * Reads `text` by the grammar of RFC 8259 and tells in the words of Go's encoding/json what is wrong with it:
 * SP_EINVAL, or SP_ETOOLARGE when it nests deeper than SP_LIMIT_JSON_DEPTH. SP_OK when the grammar is kept
 * (then something else was wrong: malformed UTF-8, a lone surrogate, a number out of range).
 */
sp_code sp_json_explain(sp_str text, sp_err *err);

/*
 * Facts of a value's tag. yyjson's own accessors want pointers to non-const; both kinds of value begin with
 * the same tag.
 */
static inline size_t sp_json_tag_len(uint64_t tag)
{
	return (size_t)(tag >> YYJSON_TAG_BIT);
}
static inline yyjson_type sp_json_tag_type(uint64_t tag)
{
	return (yyjson_type)(tag & YYJSON_TYPE_MASK);
}
static inline yyjson_subtype sp_json_tag_subtype(uint64_t tag)
{
	return (yyjson_subtype)(tag & YYJSON_SUBTYPE_MASK);
}
static inline bool sp_json_tag_is_container(uint64_t tag)
{
	return sp_json_tag_type(tag) >= YYJSON_TYPE_ARR;
}
static inline bool sp_json_tag_is_object(uint64_t tag)
{
	return sp_json_tag_type(tag) == YYJSON_TYPE_OBJ;
}

/* yyjson's allocator interface over an arena: nothing is freed before the arena is. */
yyjson_alc sp_json_alc(sp_arena *a);
