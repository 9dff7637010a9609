/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects in the medium and shape a client asked for. The shape is made as JSON text first (the object as
 * stored, a table of one row, its metadata), then put into the medium.
 */
#pragma once

#include "apiserver/negotiate.h"
#include "apiserver/resource.h"
#include "kube/table.h"

/* Appends JSON text in another medium. `schema` is that of the kind the text is of; kind and apiVersion stand
 * in it. Errors: those of the buffer and the arena. */
sp_code api_encode_medium(sp_buf *out, sp_arena *a, const api_output *how, const sp_schema *schema,
			  sp_str json, sp_err *err) SP_MUST_USE;

/* How tables are made for this request. */
typedef struct api_table_how {
	sp_table_include include;
	sp_time now;
	bool no_headers;
} api_table_how;

/* The includeObject parameter and the time. SP_EINVAL with upstream's text. */
struct api_request;
sp_code api_table_how_read(struct api_request *r, api_table_how *ret, sp_err *err) SP_MUST_USE;

/* Appends one object of the resource, given as JSON with its revision, as JSON of the shape. */
sp_code api_encode_shape(sp_buf *out, const api_output *how, const api_resource *res,
			 const api_table_how *table, sp_str json, sp_str revision, sp_err *err) SP_MUST_USE;

/* The schema of what api_encode_shape writes. */
const sp_schema *api_shape_schema(const api_output *how, const api_resource *res);
