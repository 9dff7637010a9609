/* SPDX-License-Identifier: Apache-2.0 */
/* The status at the end of a remote command. */
#include "io/spdy/remote.h"

static void json_text(sp_buf *out, sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = (uint8_t)s.ptr[i];
		if (c == '"' || c == '\\')
			sp_buf_char(out, '\\');
		if (c < 0x20)
			sp_buf_printf(out, "\\u%04x", c);
		else
			sp_buf_char(out, (char)c);
	}
}

sp_code sp_remote_status_success(sp_buf *out, const sp_channel_protocol *p)
{
	return p->status_json ? sp_buf_str(out, SP_STR("{\"status\":\"Success\"}")) : sp_buf_code(out);
}

sp_code sp_remote_status_exit(sp_buf *out, const sp_channel_protocol *p, int exit_code, sp_str what)
{
	static const char prefix[] = "command terminated with non-zero exit code: ";
	if (!p->status_json) {
		sp_buf_str(out, sp_str_c(prefix));
		return sp_buf_str(out, what);
	}
	sp_buf_printf(out, "{\"status\":\"Failure\",\"message\":\"%s", prefix);
	json_text(out, what);
	return sp_buf_printf(
		out,
		"\",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\","
		"\"message\":\"%d\"}]}}",
		exit_code);
}

sp_code sp_remote_status_error(sp_buf *out, const sp_channel_protocol *p, sp_str what)
{
	static const char prefix[] = "Internal error occurred: error executing command in container: ";
	if (!p->status_json) {
		sp_buf_str(out, sp_str_c(prefix));
		return sp_buf_str(out, what);
	}
	sp_buf_printf(out, "{\"status\":\"Failure\",\"message\":\"%s", prefix);
	json_text(out, what);
	return sp_buf_str(out, SP_STR("\",\"reason\":\"InternalError\",\"code\":500}"));
}
