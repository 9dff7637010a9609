/* SPDX-License-Identifier: Apache-2.0 */
/* A list's text in the medium and shape asked for, item by item. */
#pragma once

#include "apiserver/encode.h"
#include "apiserver/request.h"
#include "store/record.h"

typedef struct api_list_writer api_list_writer;

/*
 * begin, item …, end append to `out`. `items_len` of begin is the length of all items, known only when they
 * are gathered first: where `gathers`, they must be.
 */
struct api_list_writer {
	sp_code (*begin)(api_list_writer *w, sp_buf *out, const sp_list_meta *meta, size_t items_len);
	sp_code (*item)(api_list_writer *w, sp_buf *out, sp_str json);
	sp_code (*end)(api_list_writer *w, sp_buf *out);
	bool gathers;
	bool is_sized; /* the front tells items_len, but items may follow one by one */
	api_request *r;
	bool any; /* an item was written */
	sp_table table;
	sp_jout jout;
	sp_arena scratch; /* of one item */
	sp_buf text;      /* one item as JSON */
	sp_str tail;      /* of lists whose metadata stands behind their items */
};

sp_code api_list_writer_init(api_list_writer *w, api_request *r, sp_err *err) SP_MUST_USE;
void api_list_writer_done(api_list_writer *w);

/* One object of the list, as JSON with its revision. */
sp_code api_list_writer_put_json(api_list_writer *w, sp_buf *out, sp_str json) SP_MUST_USE;
/* One stored object of the list. */
sp_code api_list_writer_put(api_list_writer *w, sp_buf *out, const sp_record *rec,
			    uint64_t revision) SP_MUST_USE;
/* Instead of w->end: a list of compact JSON ends its line, as upstream's does. */
sp_code api_list_writer_end(api_list_writer *w, sp_buf *out) SP_MUST_USE;
/* Answers with a list whose items are gathered, in the request's medium. */
void api_list_writer_reply(api_list_writer *w, const sp_list_meta *meta, sp_str items);
