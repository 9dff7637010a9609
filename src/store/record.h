/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record: what the store keeps per object. A packed header, then the object's bytes:
 *
 *   0  u8   format (1)            8  u64 schema hash
 *   1  u8   encoding             16  u32 splice point (UINT32_MAX = none)
 *   2  u8   indexed field + 1    20  u16 number of labels
 *   3  u8   group bytes          22  u16 number of fields
 *   4  u8   version bytes        24  u32 header bytes
 *   5  u8   kind bytes           28  group, version, kind, then labels, then fields:
 *   6  u16  0                        each u16 key bytes, u16 value bytes, key, value
 *
 * Numbers are big-endian. Lists and watches filter by the header without touching the object.
 */
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "base/str.h"

typedef enum sp_record_encoding {
	SP_RECORD_JSON = 1,
	SP_RECORD_PROTOBUF, /* upstream's envelope, from an etcd written by kube-apiserver */
} sp_record_encoding;

#define SP_RECORD_NO_SPLICE UINT32_MAX
#define SP_RECORD_NO_INDEX SIZE_MAX

typedef struct sp_record_pair {
	sp_str key, value;
} sp_record_pair;

/* What a header says; for building. */
typedef struct sp_record_info {
	sp_str group, version, kind; /* at most 255 bytes each; the group of core is "" */
	uint64_t schema_hash;
	sp_record_encoding encoding;
	/* Where in the object the text of the resourceVersion goes: the offset between the quotes of
	   "resourceVersion":"". SP_RECORD_NO_SPLICE: there is no such place. */
	uint32_t splice;
	const sp_record_pair *labels; /* in the object's order */
	size_t n_labels;
	const sp_record_pair *fields; /* selectable fields, "spec.nodeName" and its value */
	size_t n_fields;
	size_t i_indexed; /* the field that watches and lists are indexed by, or SP_RECORD_NO_INDEX */
} sp_record_info;

/* A decoded header: views into the record. */
typedef struct sp_record {
	sp_str group, version, kind;
	uint64_t schema_hash;
	sp_record_encoding encoding;
	uint32_t splice;
	uint16_t n_labels, n_fields;
	sp_str labels; /* packed; walk them by sp_record_pair_next */
	sp_str fields;
	bool is_indexed;
	sp_str indexed; /* value of the indexed field */
	sp_str object;  /* the rest of the record */
} sp_record;

/*
 * Header and object in one block. SP_EINVAL: a name longer than 255 bytes, a key or value longer than 65,535,
 * more than 65,535 pairs or 254 fields, a splice point outside the object, an index outside the fields.
 * SP_ETOOLARGE: the object exceeds SP_LIMIT_STORED_VALUE_BYTES or the header SP_LIMIT_RECORD_HEADER_BYTES.
 */
sp_code sp_record_build(const sp_record_info *info, sp_str object, sp_bytes **ret, sp_err *err) SP_MUST_USE;

/* Bounds-checked; SP_EINVAL for anything sp_record_build would not have made (sizes of objects excepted). */
sp_code sp_record_decode(sp_str record, sp_record *ret, sp_err *err) SP_MUST_USE;

/* How long the header is, so that the object can be split off a record whose object is encrypted. */
sp_code sp_record_header_bytes(sp_str record, size_t *ret, sp_err *err) SP_MUST_USE;

/* Takes the next pair off *packed (labels or fields of a decoded record); false at the end. */
bool sp_record_pair_next(sp_str *packed, sp_record_pair *ret);
/* The value of a key in packed pairs; false when it is not there. */
bool sp_record_pair_find(sp_str packed, sp_str key, sp_str *ret);
