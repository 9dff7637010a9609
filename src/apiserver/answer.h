/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds whose objects are questions: a POST of one is answered with the same object, filled in, and nothing
 * is stored. */
#pragma once

#include "apiserver/write.h"

/*
 * Answers the question in w->obj, decoded and with its defaults: by api_answer_send, api_write_refuse or
 * api_write_fail, now or later.
 */
typedef void api_answer_fn(api_write *w);

/* The one for what the request creates, or NULL: an ordinary object. */
api_answer_fn *api_answer_of(const api_request *r);

/* Reads the body of the request and has it answered. */
void api_answer(api_request *r);

/* 201 with w->obj. */
void api_answer_send(api_write *w);

/* 422 with what w->errors has; false when there is nothing in it. */
bool api_answer_refuse_invalid(api_write *w);

api_answer_fn api_answer_subject_access, api_answer_self_subject_access, api_answer_local_subject_access;
api_answer_fn api_answer_self_subject_rules, api_answer_self_subject, api_answer_token_review;
api_answer_fn api_answer_token_request;
