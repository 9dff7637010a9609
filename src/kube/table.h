/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects as rows of a table (meta.k8s.io/v1 Table), and as their metadata alone (PartialObjectMetadata and
 * its list). Documents are written row by row into a buffer that the caller may drain in between; only one
 * object at a time is a tree. Columns come from the kind: a JSON path, or a cell of its hooks. Upstream:
 * kubernetes pkg/printers, apiserver pkg/registry/rest/table.go and endpoints/handlers/response.go,
 * apiextensions-apiserver pkg/registry/customresource/tableconvertor.
 */
#pragma once

#include "base/json_out.h"
#include "base/time.h"
#include "kube/kinds/kinds.h"
#include "kube/schema.h"

typedef enum sp_table_include { SP_TABLE_METADATA = 0, SP_TABLE_OBJECT, SP_TABLE_NONE } sp_table_include;

/* The includeObject parameter; empty text is Metadata. SP_EINVAL with the message of upstream's 400. */
sp_code sp_table_include_parse(sp_str text, sp_table_include *ret, sp_err *err) SP_MUST_USE;

/* The columns of a kind, ready for use; constant. */
typedef struct sp_table_plan sp_table_plan;

/*
 * Compiles into the arena; the kind is borrowed. Kinds without columns show name and time of creation. A
 * custom kind (its schema has SP_S_CRD, or it has none) has the columns of additionalPrinterColumns, with
 * the name before them and, when there are none, the age behind it. SP_EINVAL: a column's path is no
 * JSONPath, or a built-in column has neither path nor hook; SP_ETOOLARGE: no room.
 */
sp_code sp_table_plan_make(sp_arena *a, const sp_kind *kind, const sp_table_plan **ret,
			   sp_err *err) SP_MUST_USE;

/* ListMeta of a list; of a single object only its resource version is given. */
typedef struct sp_list_meta {
	sp_str resource_version, cont;
	int64_t remaining; /* remainingItemCount; 0: left out */
} sp_list_meta;

typedef struct sp_table_options {
	sp_table_include include;
	bool no_headers; /* columnDefinitions is null: later events of a watch */
	sp_time now;     /* ages count to it */
} sp_table_options;

/* Memory for the tree and the cells of one row. */
#define SP_TABLE_ROW_BYTES ((size_t)64 << 20)

/* A table under construction. init, begin, row …, end, done. */
typedef struct sp_table {
	sp_jout j;
	const sp_table_plan *plan;
	sp_table_options options;
	sp_arena row; /* of the row being made */
} sp_table;

void sp_table_init(sp_table *t, const sp_table_plan *plan, const sp_table_options *options, sp_buf *out);
void sp_table_done(sp_table *t);

/* Everything up to the rows, and after them. Errors: those of the buffer. */
sp_code sp_table_begin(sp_table *t, const sp_list_meta *meta);
sp_code sp_table_end(sp_table *t);
/*
 * One row. `object` is JSON text in the served version, as it would be sent alone. SP_EINVAL: not an object;
 * SP_ETOOLARGE: no room for its tree (SP_TABLE_ROW_BYTES), or the buffer's limit.
 */
sp_code sp_table_row(sp_table *t, sp_str object, sp_err *err) SP_MUST_USE;

/* One object of a kind as PartialObjectMetadata, as the next value. SP_EINVAL: not the text of an object. */
sp_code sp_partial_write(sp_jout *j, const sp_kind *kind, sp_str object) SP_MUST_USE;
/* PartialObjectMetadataList: begin, sp_partial_write …, end. */
sp_code sp_partial_list_begin(sp_jout *j, const sp_list_meta *meta);
sp_code sp_partial_list_end(sp_jout *j);
