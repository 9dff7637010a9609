/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by kube/jsonpath.c (the grammar) and kube/jsonpath_find.c. */
#pragma once

#include "kube/jsonpath.h"

typedef enum jp_kind {
	JP_TEXT,
	JP_INT,
	JP_FLOAT,
	JP_BOOL,
	JP_WORD, /* no known one */
	JP_FIELD,
	JP_WILDCARD,
	JP_RECURSIVE,
	JP_ARRAY,
	JP_UNION,
	JP_FILTER,
} jp_kind;

typedef enum jp_op { JP_EXISTS, JP_EQ, JP_NE, JP_LT, JP_LE, JP_GT, JP_GE, JP_UNKNOWN_OP } jp_op;

typedef struct jp_param {
	bool known, derived;
	int64_t value;
} jp_param;

typedef struct jp_node {
	struct jp_node *next;
	jp_kind kind;
	jp_op op;                 /* FILTER */
	bool truth;               /* BOOL */
	sp_str text;              /* TEXT, WORD, FIELD; the operator of a FILTER */
	int64_t number;           /* INT */
	double real;              /* FLOAT */
	jp_param params[3];       /* ARRAY: from, to, step */
	const sp_jsonpath *left;  /* FILTER */
	const sp_jsonpath *right; /* FILTER */
	const sp_jsonpath **any;  /* UNION */
	size_t n_any;
} jp_node;

struct sp_jsonpath {
	const jp_node *first;
};
