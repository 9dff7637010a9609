/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of google/gnostic's OpenAPI documents, as tables: which member of a JSON object is which field.
 * The messages follow the JSON closely, except that maps are lists of named values, that alternatives are
 * wrapped in messages of their own, and that free JSON is carried as text.
 */
#pragma once

#include "kube/openapi/openapi.h"

typedef enum pb_kind {
	PB_STRING,
	PB_BOOL,
	PB_INT,
	PB_DOUBLE,
	PB_STRINGS, /* a list of texts, or one */
	PB_MESSAGE,
	PB_MESSAGES, /* a list */
	PB_ANY,      /* message Any {yaml = 2} */
	PB_ANYS,
	PB_DEFAULT, /* message {oneof double = 1, bool = 2, string = 3} */
} pb_kind;

typedef struct pb_message pb_message;

typedef struct pb_field {
	sp_str json;
	uint8_t number;
	uint8_t kind; /* pb_kind */
	const pb_message *message;
} pb_field;

#define PB_WRAPS_MAX 3u
struct pb_message {
	const pb_field *fields;
	size_t n_fields;
	uint8_t extensions; /* field of members named x-…, a list of NamedAny; 0: none */
	uint8_t map;        /* field of all other members, a list of {name = 1, value = 2}; 0: none */
	const pb_message *map_value;
	uint8_t strings; /* field of the items when the value is a list of texts, or one text */
	uint8_t boolean; /* field of the value when it is a truth value */
	/* Alternatives: fields to wrap the value in, outermost first, and the message it then is. */
	size_t (*choose)(yyjson_val *v, const pb_message **ret, uint8_t *wraps);
};

extern const pb_message pb_v2_document, pb_v3_document;
