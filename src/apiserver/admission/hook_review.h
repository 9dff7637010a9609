/* SPDX-License-Identifier: Apache-2.0 */
/* admission.k8s.io/v1 AdmissionReview: the question to a webhook and its answer. For src/apiserver/admission
 * only. U: apiserver pkg/admission/plugin/webhook/request/admissionreview.go */
#pragma once

#include "apiserver/admission/admission.h"

/* "CREATE", "UPDATE", "DELETE", "CONNECT". */
sp_str api_operation_name(api_operation op);

/* The member `options` of a question. */
void api_review_options(sp_jout *j, const api_admit *a);

struct api_form; /* admission/eval.h */

/* Appends the question about the write in the form that the webhook is to see. The write's request is there
 * (w->r). Errors: those of the buffer. */
sp_code api_review_write(sp_buf *out, const api_admit *a, const struct api_form *form, sp_str uid);

typedef struct api_review_answer {
	bool allowed;
	sp_status status; /* of a denial, complete */
	sp_str patch;     /* JSON Patch text; empty: none */
	const sp_str *warnings;
	size_t n_warnings;
} api_review_answer;

/* Reads an answer into the arena. SP_EINVAL: it is none to that question; *ret_why gets upstream's words, as
 * they follow `failed calling webhook "x": `. SP_ETOOLARGE: no room. */
sp_code api_review_read(sp_arena *a, sp_str text, sp_str hook_name, sp_str uid, bool mutating,
			api_review_answer *ret, sp_str *ret_why) SP_MUST_USE;
