/* SPDX-License-Identifier: Apache-2.0 */
/* The words in which the tables of go_json.h are written; for the files go_*.c only. */
#pragma once

#include "kube/kinds/go_json.h"

#define STR(go, json)                     \
	{                                 \
		go, json, SP_GO_STR, NULL \
	}
#define PTR(go, json)                     \
	{                                 \
		go, json, SP_GO_PTR, NULL \
	}
#define BOOL(go, json)                     \
	{                                  \
		go, json, SP_GO_BOOL, NULL \
	}
#define I64(go, json)                     \
	{                                 \
		go, json, SP_GO_I64, NULL \
	}
#define NUM(go, json)                            \
	{                                        \
		go, json, SP_GO_INT_OR_STR, NULL \
	}
#define QUANTITY(go, json)                     \
	{                                      \
		go, json, SP_GO_QUANTITY, NULL \
	}
#define OUTER_BOOL(go, json)                     \
	{                                        \
		go, json, SP_GO_OUTER_BOOL, NULL \
	}
#define OUTER_PTR(go, json)                     \
	{                                       \
		go, json, SP_GO_OUTER_PTR, NULL \
	}
#define META                                        \
	{                                           \
		"", "metadata", SP_GO_MEMBERS, NULL \
	}
#define STRUCT(go, json, type)               \
	{                                    \
		go, json, SP_GO_STRUCT, type \
	}
#define STRUCT_PTR(go, json, type)               \
	{                                        \
		go, json, SP_GO_STRUCT_PTR, type \
	}
#define STRUCT_LIST(go, json, type)               \
	{                                         \
		go, json, SP_GO_STRUCT_LIST, type \
	}

#define LOCAL(name, ...)                                     \
	static const sp_go_field name##_f[] = {__VA_ARGS__}; \
	static const sp_go_type name = {name##_f, SP_LEN(name##_f)}
#define EXPORT(name, ...)                                    \
	static const sp_go_field name##_f[] = {__VA_ARGS__}; \
	const sp_go_type name = {name##_f, SP_LEN(name##_f)}
