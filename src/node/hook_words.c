/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of a lifecycle's hook that failed. U: kubernetes pkg/kubelet/lifecycle/handlers.go Run. */
#include "base/quote.h"
#include "node/node_int.h"

#define BYTES_MAX ((size_t)64 << 10)

/* As Go prints a list of strings. */
static void exec_what(sp_buf *out, yyjson_val *exec)
{
	yyjson_val *item;
	size_t i, n;
	(void)sp_buf_char(out, '[');
	yyjson_arr_foreach(sp_view_at(exec, "command"), i, n, item)
	{
		if (i > 0)
			(void)sp_buf_char(out, ' ');
		(void)sp_buf_str(out, sp_json_str(item));
	}
	(void)sp_buf_char(out, ']');
}
static void http_what(sp_buf *out, yyjson_val *get)
{
	(void)sp_buf_str(out, sp_view_str_at(get, "path"));
}
static void sleep_what(sp_buf *out, yyjson_val *sleep)
{
	(void)sp_buf_printf(out, "%lld", (long long)yyjson_get_sint(sp_view_at(sleep, "seconds")));
}

static const struct {
	const char *member, *kind;
	void (*what)(sp_buf *out, yyjson_val *handler);
	bool has_output;
} kinds[] = {
	{"exec", "Exec", exec_what, true},
	{"httpGet", "HTTP", http_what, false},
	{"sleep", "Sleep", sleep_what, false},
};

void node_hook_explain(node_hook *h, sp_str error, sp_str output)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, BYTES_MAX);
	for (size_t i = 0; i < SP_LEN(kinds); i++) {
		yyjson_val *v = sp_view_at(h->handler, kinds[i].member);
		if (v == NULL)
			continue;
		(void)sp_buf_printf(&out, "%s lifecycle hook (", kinds[i].kind);
		kinds[i].what(&out, v);
		(void)sp_buf_printf(
			&out, ") for Container \"" SP_FMT "\" in Pod \"" SP_FMT "\" failed - error: " SP_FMT,
			SP_ARG(h->c->name), SP_ARG(h->worker->pod->full_name), SP_ARG(error));
		if (kinds[i].has_output) {
			(void)sp_buf_str(&out, SP_STR(", message: "));
			(void)sp_quote_go(&out, output);
		}
		break;
	}
	if (out.len == 0) /* another kind, or no room */
		(void)sp_buf_str(&out, error);
	(void)snprintf(h->text, sizeof h->text, SP_FMT, SP_ARG(sp_buf_view(&out)));
}
