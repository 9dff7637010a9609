/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "client/reflector_int.h"

#define INITIAL_END "k8s.io/initial-events-end"

sp_code reflector_reach(sp_reflector *r, sp_str revision, sp_err *err)
{
	if (revision.len == 0 || revision.len > REVISION_BYTES)
		return sp_fail(err, SP_EPROTO, "a resourceVersion of %zu bytes", revision.len);
	memcpy(r->revision, revision.ptr, revision.len);
	r->revision_len = revision.len;
	return SP_OK;
}

static sp_code on_status(sp_reflector *r, yyjson_val *object, sp_err *err)
{
	client_status s = client_read_status(object);
	sp_code code = sp_code_of_status(s.reason, s.code);
	r->is_gone = reflector_is_gone(code, s.code);
	return sp_fail(err, code, "the watch ends: " SP_FMT, SP_ARG(s.message));
}

static sp_code on_bookmark(sp_reflector *r, yyjson_val *meta, sp_str revision, sp_err *err)
{
	yyjson_val *notes = sp_json_last(meta, SP_STR("annotations"));
	bool is_whole = sp_str_eq(sp_json_str(sp_json_last(notes, SP_STR(INITIAL_END))), SP_STR("true"));
	r->stats.n_bookmarks++;
	if (r->phase == REFLECTOR_STREAM && !is_whole)
		return SP_OK; /* a revision in the middle of a state says nothing */
	SP_TRY(reflector_reach(r, revision, err));
	if (r->phase == REFLECTOR_STREAM) {
		r->phase = REFLECTOR_WATCH;
		r->has_state = true;
		sp_timer_stop(r->world, &r->quiet);
		r->o.sink->commit(r->o.arg, revision);
	} else if (r->o.sink->reached != NULL) {
		r->o.sink->reached(r->o.arg, revision);
	}
	return SP_OK;
}

static sp_code on_change(sp_reflector *r, sp_str type, yyjson_val *object, sp_str revision, sp_err *err)
{
	const sp_reflector_sink *sink = r->o.sink;
	r->stats.n_events++;
	if (sp_str_eq(type, SP_STR("DELETED")))
		SP_TRY(sink->remove(r->o.arg, object, err));
	else if (sp_str_eq(type, SP_STR("ADDED")) || sp_str_eq(type, SP_STR("MODIFIED")))
		SP_TRY(sink->put(r->o.arg, object, err));
	else
		return sp_fail(err, SP_EPROTO, "a watch event of type '" SP_FMT "'", SP_ARG(type));
	if (r->phase == REFLECTOR_STREAM)
		return SP_OK; /* the state's own order is not that of revisions */
	SP_TRY(reflector_reach(r, revision, err));
	if (sink->reached != NULL)
		sink->reached(r->o.arg, revision);
	return SP_OK;
}

static sp_code on_line(sp_reflector *r, sp_str line, sp_err *err)
{
	yyjson_val *root;
	line = sp_str_trim(line);
	if (line.len == 0)
		return SP_OK;
	sp_arena_rewind(&r->scratch);
	SP_TRY(sp_json_parse(&r->scratch, line, &root, err));
	sp_str type = sp_json_str(sp_json_last(root, SP_STR("type")));
	yyjson_val *object = sp_json_last(root, SP_STR("object"));
	if (sp_str_eq(type, SP_STR("ERROR")))
		return on_status(r, object, err);
	yyjson_val *meta = sp_json_last(object, SP_STR("metadata"));
	sp_str revision = sp_json_str(sp_json_last(meta, SP_STR("resourceVersion")));
	r->got_any = true;
	if (sp_str_eq(type, SP_STR("BOOKMARK")))
		return on_bookmark(r, meta, revision, err);
	return on_change(r, type, object, revision, err);
}

sp_code reflector_read(sp_reflector *r, const uint8_t *bytes, size_t n, sp_err *err)
{
	sp_str rest = {(const char *)bytes, n}, line;
	while (sp_str_cut(&rest, '\n', &line)) {
		if (r->line.len > 0) {
			if (sp_buf_str(&r->line, line) != SP_OK)
				return sp_fail(err, sp_buf_code(&r->line), "no room for a watch event");
			line = sp_buf_view(&r->line);
		}
		SP_TRY(on_line(r, line, err));
		sp_buf_clear(&r->line);
	}
	if (r->line.cap > LINE_BYTES_KEPT && rest.len == 0) {
		sp_buf_done(&r->line);
		sp_buf_init(&r->line, LINE_BYTES_MAX);
	}
	if (sp_buf_str(&r->line, rest) != SP_OK)
		return sp_fail(err, sp_buf_code(&r->line), "no room for a watch event");
	return SP_OK;
}
