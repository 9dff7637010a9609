/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "io/spdy/forward.h"
#include "io/spdy/remote.h"
#include "lib/t.h"

/* A header block of "name=value" words, in the test's arena. */
static sp_str block_of(const char *words)
{
	SP_AUTO_BUF b;
	sp_buf_init(&b, 4096);
	uint8_t be[4] = {0};
	sp_buf_append(&b, be, 4);
	sp_str rest = sp_str_c(words), one;
	uint32_t n = 0;
	while (rest.len > 0) {
		if (!sp_str_cut(&rest, ' ', &one)) {
			one = rest;
			rest = (sp_str){NULL, 0};
		}
		sp_str name;
		SP_ASSERT(sp_str_cut(&one, '=', &name));
		sp_be32_put(be, (uint32_t)name.len);
		sp_buf_append(&b, be, 4);
		sp_buf_str(&b, name);
		sp_be32_put(be, (uint32_t)one.len);
		sp_buf_append(&b, be, 4);
		sp_buf_str(&b, one);
		n++;
	}
	if (b.len >= 4)
		sp_be32_put((uint8_t *)b.ptr, n);
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&b));
}

SP_TEST(spdy_forward, headers_and_upstreams_words)
{
	static const struct {
		const char *words, *err;
		uint16_t port;
		bool is_error;
		const char *request;
	} rows[] = {
		{"port=8080 streamtype=error requestid=3", NULL, 8080, true, "3"},
		{"port=65535 streamtype=data", NULL, 65535, false, ""},
		{"streamtype=data", "\"port\" header is required", 0, false, NULL},
		{"port=x streamtype=data",
		 "unable to parse \"x\" as a port: strconv.ParseUint: parsing \"x\": invalid syntax", 0,
		 false, NULL},
		{"port=-1 streamtype=data",
		 "unable to parse \"-1\" as a port: strconv.ParseUint: parsing \"-1\": invalid syntax", 0,
		 false, NULL},
		{"port=65536 streamtype=data",
		 "unable to parse \"65536\" as a port: strconv.ParseUint: parsing \"65536\": value out of "
		 "range",
		 0, false, NULL},
		{"port=0 streamtype=data", "port \"0\" must be > 0", 0, false, NULL},
		{"port=80", "\"streamType\" header is required", 0, false, NULL},
		{"port=80 streamtype=stdin", "invalid stream type \"stdin\"", 0, false, NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].words);
		sp_forward_head h = {0};
		sp_err err = {0};
		sp_str block = block_of(rows[i].words);
		T_TRUE(block.len > 0);
		sp_code code = sp_forward_head_read(block, &h, &err);
		T_CODE(code, rows[i].err == NULL ? SP_OK : SP_EINVAL);
		T_EQ_C(sp_str_c(err.msg), rows[i].err == NULL ? "" : rows[i].err);
		if (code != SP_OK)
			continue;
		T_EQ_U64(h.port, rows[i].port);
		T_TRUE(h.is_error == rows[i].is_error);
		T_EQ_C(h.request, rows[i].request);
	}
}

SP_TEST(spdy_remote, statuses)
{
	const sp_channel_protocol *v4 = sp_channel_choose(SP_STR("v4.channel.k8s.io"), true, 4);
	const sp_channel_protocol *v2 = sp_channel_choose(SP_STR("v2.channel.k8s.io"), true, 4);
	T_TRUE(v4 != NULL && v2 != NULL);
	SP_AUTO_BUF b;
	sp_buf_init(&b, 4096);
	T_OK(sp_remote_status_success(&b, v2));
	T_EQ_C(sp_buf_view(&b), "");
	T_OK(sp_remote_status_success(&b, v4));
	T_EQ_C(sp_buf_view(&b), "{\"status\":\"Success\"}");
	sp_buf_clear(&b);
	T_OK(sp_remote_status_exit(&b, v4, 137, SP_STR("said \"no\"\n")));
	T_EQ_C(sp_buf_view(&b), "{\"status\":\"Failure\",\"message\":\"command terminated with non-zero exit "
				"code: said \\\"no\\\"\\n\","
				"\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":"
				"\"ExitCode\",\"message\":\"137\"}]}}");
	sp_buf_clear(&b);
	T_OK(sp_remote_status_exit(&b, v2, 1, SP_STR("x")));
	T_EQ_C(sp_buf_view(&b), "command terminated with non-zero exit code: x");
	sp_buf_clear(&b);
	T_OK(sp_remote_status_error(&b, v4, SP_STR("no such container")));
	T_EQ_C(sp_buf_view(&b),
	       "{\"status\":\"Failure\",\"message\":\"Internal error occurred: error executing command in "
	       "container: no such container\",\"reason\":\"InternalError\",\"code\":500}");
	sp_buf_clear(&b);
	T_OK(sp_remote_status_internal(&b, SP_STR("a\\b")));
	T_EQ_C(sp_buf_view(&b),
	       "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"Internal error occurred: a\\\\b\","
	       "\"reason\":\"InternalError\",\"details\":{\"causes\":[{\"message\":\"a\\\\b\"}]},\"code\":"
	       "500}");
}
