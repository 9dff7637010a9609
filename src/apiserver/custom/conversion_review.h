/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apiextensions.k8s.io ConversionReview, v1 and v1beta1: the question to a conversion webhook and its answer.
 * For src/apiserver/custom only. U: apiextensions-apiserver pkg/apiserver/conversion/webhook_converter.go
 */
#pragma once

#include "base/arena.h"
#include "base/json.h"

typedef struct api_conversion_question {
	bool v1beta1; /* of the review itself */
	sp_str uid;
	sp_str api_version, kind; /* what the objects are to become: "group/version", "Kind" */
	sp_str from;              /* what they are, as upstream names it: "group/version, Kind=Kind" */
	const sp_str *objects;    /* JSON, as they are stored and without a revision */
	size_t n;
} api_conversion_question;

/* One object of an answer. */
typedef struct api_conversion_answer {
	yyjson_mut_val *obj; /* NULL: it is not to be had, and why, in upstream's words */
	sp_str why;
} api_conversion_answer;

/* Appends the question. Errors: those of the buffer. */
sp_code api_conversion_write(sp_buf *out, const api_conversion_question *q) SP_MUST_USE;

/*
 * Reads an answer into doc (of the arena): q->n objects, each with the metadata of the one that was sent but
 * for labels and annotations. SP_EINVAL: it is no answer to that question, *ret_why tells; SP_ETOOLARGE: no
 * room.
 */
sp_code api_conversion_read(sp_arena *a, yyjson_mut_doc *doc, const api_conversion_question *q, sp_str text,
			    api_conversion_answer *ret, sp_str *ret_why) SP_MUST_USE;
