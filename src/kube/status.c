/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/status.h"

#include "base/quote.h"

/* The rows of upstream's constructors: code and reason. */
typedef struct row {
	uint16_t code;
	sp_str reason;
} row;

static const row not_found = {404, SP_STR_INIT("NotFound")};
static const row already_exists = {409, SP_STR_INIT("AlreadyExists")};
static const row forbidden = {403, SP_STR_INIT("Forbidden")};
static const row conflict = {409, SP_STR_INIT("Conflict")};
static const row method_not_allowed = {405, SP_STR_INIT("MethodNotAllowed")};
static const row server_timeout = {500, SP_STR_INIT("ServerTimeout")};

static sp_status bare(uint16_t code, sp_str reason, sp_str message)
{
	return (sp_status){.code = code, .reason = reason, .message = message};
}

static sp_status about(row r, sp_group_resource gr, sp_str name, sp_str message)
{
	sp_status s = bare(r.code, r.reason, message);
	s.has_details = true;
	s.name = name;
	s.group = gr.group;
	s.kind = gr.resource;
	return s;
}

static void write_resource(sp_buf *out, sp_group_resource gr)
{
	(void)sp_buf_str(out, gr.resource);
	if (gr.group.len > 0) {
		(void)sp_buf_char(out, '.');
		(void)sp_buf_str(out, gr.group);
	}
}

/* `before RESOURCE "name"after`; an empty part is left out. */
static sp_str sentence(sp_arena *a, sp_str before, sp_group_resource gr, sp_str name, sp_str after,
		       sp_str tail)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, a->limit_bytes);
	(void)sp_buf_str(&out, before);
	write_resource(&out, gr);
	if (name.ptr != NULL) {
		(void)sp_buf_char(&out, ' ');
		(void)sp_quote_go(&out, name);
	}
	(void)sp_buf_str(&out, after);
	(void)sp_buf_str(&out, tail);
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

/* A name that is printed even when it is empty. */
static sp_str shown(sp_str name)
{
	return name.ptr == NULL ? SP_STR("") : name;
}

#define NONE ((sp_str){NULL, 0})

sp_status sp_status_deleted(sp_group_resource gr, sp_str name, sp_str uid)
{
	sp_status s = about((row){200, NONE}, gr, name, NONE);
	s.uid = uid;
	return s;
}

sp_status sp_status_not_found(sp_arena *a, sp_group_resource gr, sp_str name)
{
	return about(not_found, gr, name, sentence(a, NONE, gr, shown(name), SP_STR(" not found"), NONE));
}

sp_status sp_status_already_exists(sp_arena *a, sp_group_resource gr, sp_str name)
{
	return about(already_exists, gr, name,
		     sentence(a, NONE, gr, shown(name), SP_STR(" already exists"), NONE));
}

sp_status sp_status_generate_name_conflict(sp_arena *a, sp_group_resource gr, sp_str name)
{
	sp_status s = sp_status_already_exists(a, gr, name);
	s.message = sentence(a, NONE, gr, shown(name), SP_STR(" already exists, "),
			     SP_STR("the server was not able to generate a unique name for the object"));
	s.retry_after_seconds = 1;
	return s;
}

sp_status sp_status_unauthorized(sp_str why)
{
	return bare(401, SP_STR("Unauthorized"), why.len > 0 ? why : SP_STR("not authorized"));
}

sp_status sp_status_forbidden(sp_arena *a, sp_group_resource gr, sp_str name, sp_str why)
{
	bool resource = gr.resource.len > 0 || gr.group.len > 0;
	sp_str message =
		resource ? sentence(a, NONE, gr, name.len > 0 ? name : NONE, SP_STR(" is forbidden: "), why)
			 : sentence(a, NONE, gr, NONE, SP_STR("forbidden: "), why);
	return about(forbidden, gr, name, message);
}

sp_status sp_status_conflict(sp_arena *a, sp_group_resource gr, sp_str name, sp_str why)
{
	return about(
		conflict, gr, name,
		sentence(a, SP_STR("Operation cannot be fulfilled on "), gr, shown(name), SP_STR(": "), why));
}

sp_status sp_status_apply_conflict(sp_str message, const sp_status_cause *causes, size_t n)
{
	sp_status s = bare(conflict.code, conflict.reason, message);
	s.has_details = true;
	s.causes = causes;
	s.n_causes = n;
	return s;
}

sp_status sp_status_gone(sp_str message)
{
	return bare(410, SP_STR("Gone"), message);
}

sp_status sp_status_expired(sp_str message)
{
	return bare(410, SP_STR("Expired"), message);
}

sp_status sp_status_invalid(sp_arena *a, sp_group_resource group_kind, sp_str name, const sp_violations *v)
{
	row r = {422, SP_STR("Invalid")};
	sp_status_cause *causes = sp_try_new(a, sp_status_cause, v->n);
	for (size_t i = 0; causes != NULL && i < v->n; i++)
		causes[i] = (sp_status_cause){sp_v_reason(v->items[i].type), v->items[i].message,
					      v->items[i].field};
	sp_status s = about(r, group_kind, name,
			    sentence(a, NONE, group_kind, shown(name),
				     v->n > 0 ? SP_STR(" is invalid: ") : SP_STR(" is invalid"),
				     sp_violations_text(a, v)));
	s.causes = causes;
	s.n_causes = causes != NULL ? v->n : 0;
	return s;
}

sp_status sp_status_bad_request(sp_str message)
{
	return bare(400, SP_STR("BadRequest"), message);
}

sp_status sp_status_too_many_requests(sp_str message, int32_t retry_after_seconds)
{
	sp_status s = bare(429, SP_STR("TooManyRequests"), message);
	s.has_details = true;
	s.retry_after_seconds = retry_after_seconds;
	return s;
}

sp_status sp_status_service_unavailable(sp_str message)
{
	return bare(503, SP_STR("ServiceUnavailable"), message);
}

sp_status sp_status_method_not_supported(sp_arena *a, sp_group_resource gr, sp_str action)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, a->limit_bytes);
	(void)sp_buf_str(&out, action);
	(void)sp_buf_str(&out, SP_STR(" is not supported on resources of kind \""));
	write_resource(&out, gr);
	(void)sp_buf_char(&out, '"');
	return about(method_not_allowed, gr, NONE, sp_arena_try_dup(a, sp_buf_view(&out)));
}

sp_status sp_status_method_not_allowed(void)
{
	sp_status s = bare(method_not_allowed.code, method_not_allowed.reason,
			   SP_STR("the server does not allow this method on the requested resource"));
	s.has_details = true;
	return s;
}

sp_status sp_status_server_timeout(sp_arena *a, sp_group_resource gr, sp_str operation,
				   int32_t retry_after_seconds)
{
	sp_str before = sp_arena_printf(a, "The " SP_FMT " operation against ", SP_ARG(operation));
	sp_status s =
		about(server_timeout, gr, operation,
		      sentence(a, before, gr, NONE,
			       SP_STR(" could not be completed at this time, please try again."), NONE));
	s.retry_after_seconds = retry_after_seconds;
	return s;
}

static sp_str join(sp_arena *a, sp_str before, sp_str after)
{
	return sp_arena_printf(a, SP_FMT SP_FMT, SP_ARG(before), SP_ARG(after));
}

sp_status sp_status_internal(sp_arena *a, sp_str why)
{
	sp_status s = bare(500, SP_STR("InternalError"), join(a, SP_STR("Internal error occurred: "), why));
	sp_status_cause *cause = sp_try_new(a, sp_status_cause, 1);
	s.has_details = true;
	if (cause != NULL) {
		cause->message = sp_arena_try_dup(a, why);
		s.causes = cause;
		s.n_causes = 1;
	}
	return s;
}

sp_status sp_status_timeout(sp_arena *a, sp_str why, int32_t retry_after_seconds)
{
	sp_status s = bare(504, SP_STR("Timeout"), join(a, SP_STR("Timeout: "), why));
	s.has_details = true;
	s.retry_after_seconds = retry_after_seconds;
	return s;
}

sp_status sp_status_too_large(sp_arena *a, sp_str why)
{
	return bare(413, SP_STR("RequestEntityTooLarge"), join(a, SP_STR("Request entity too large: "), why));
}

static sp_str with_types(sp_arena *a, sp_str before, const sp_str *types, size_t n)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 14);
	(void)sp_buf_str(&out, before);
	for (size_t i = 0; i < n; i++) {
		(void)sp_buf_str(&out, i > 0 ? SP_STR(", ") : SP_STR(""));
		(void)sp_buf_str(&out, types[i]);
	}
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

sp_status sp_status_not_acceptable(sp_arena *a, const sp_str *types, size_t n)
{
	return bare(406, SP_STR("NotAcceptable"),
		    with_types(a, SP_STR("only the following media types are accepted: "), types, n));
}

sp_status sp_status_unsupported_media_type(sp_arena *a, const sp_str *types, size_t n)
{
	return bare(415, SP_STR("UnsupportedMediaType"),
		    with_types(a,
			       SP_STR("the body of the request was in an unknown format - accepted media "
				      "types include: "),
			       types, n));
}

/* `"name":"text",` unless empty; *sep is what stands before the first member that is written. */
static void member(sp_buf *out, const char **sep, sp_str name, sp_str text)
{
	if (text.len == 0)
		return;
	(void)sp_buf_printf(out, "%s\"" SP_FMT "\":", *sep, SP_ARG(name));
	(void)sp_json_write_str(out, text);
	*sep = ",";
}

static void write_details(sp_buf *out, const sp_status *s)
{
	const char *sep = "";
	(void)sp_buf_str(out, SP_STR(",\"details\":{"));
	member(out, &sep, SP_STR("name"), s->name);
	member(out, &sep, SP_STR("group"), s->group);
	member(out, &sep, SP_STR("kind"), s->kind);
	member(out, &sep, SP_STR("uid"), s->uid);
	for (size_t i = 0; i < s->n_causes; i++) {
		const char *inner = "";
		(void)sp_buf_printf(out, i == 0 ? "%s\"causes\":[{" : "%s{", i == 0 ? sep : ",");
		member(out, &inner, SP_STR("reason"), s->causes[i].reason);
		member(out, &inner, SP_STR("message"), s->causes[i].message);
		member(out, &inner, SP_STR("field"), s->causes[i].field);
		(void)sp_buf_char(out, '}');
		sep = ",";
	}
	if (s->n_causes > 0)
		(void)sp_buf_char(out, ']');
	if (s->retry_after_seconds != 0)
		(void)sp_buf_printf(out, "%s\"retryAfterSeconds\":%d", sep, (int)s->retry_after_seconds);
	(void)sp_buf_char(out, '}');
}

sp_code sp_status_write(sp_buf *out, const sp_status *s)
{
	const char *sep = "";
	(void)sp_buf_str(out, SP_STR("{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{"));
	member(out, &sep, SP_STR("continue"), s->continue_token);
	(void)sp_buf_char(out, '}');
	sep = ",";
	member(out, &sep, SP_STR("status"), s->code < 400 ? SP_STR("Success") : SP_STR("Failure"));
	member(out, &sep, SP_STR("message"), s->message);
	member(out, &sep, SP_STR("reason"), s->reason);
	if (s->has_details)
		write_details(out, s);
	return s->code == 200 ? sp_buf_char(out, '}')
			      : sp_buf_printf(out, ",\"code\":%u}", (unsigned)s->code);
}
