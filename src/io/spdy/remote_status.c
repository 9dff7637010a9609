/* SPDX-License-Identifier: Apache-2.0 */
/* The status at the end of a remote command. */
#include "io/spdy/remote.h"

#include "base/json.h"

#define TEXT_BYTES_MAX ((size_t)64 << 10)

/* prefix + what as one JSON string, escaped as Go does. */
static sp_code json_text(sp_buf *out, const char *prefix, sp_str what)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	sp_buf_str(&text, sp_str_c(prefix));
	sp_buf_str(&text, what);
	SP_TRY(sp_buf_code(&text));
	return sp_json_write_str(out, sp_buf_view(&text));
}

static sp_code plain_text(sp_buf *out, const char *prefix, sp_str what)
{
	sp_buf_str(out, sp_str_c(prefix));
	return sp_buf_str(out, what);
}

sp_code sp_remote_status_success(sp_buf *out, const sp_channel_protocol *p)
{
	return p->status_json ? sp_buf_str(out, SP_STR("{\"status\":\"Success\"}")) : sp_buf_code(out);
}

sp_code sp_remote_status_exit(sp_buf *out, const sp_channel_protocol *p, int exit_code, sp_str what)
{
	static const char prefix[] = "command terminated with non-zero exit code: ";
	if (!p->status_json)
		return plain_text(out, prefix, what);
	sp_buf_str(out, SP_STR("{\"status\":\"Failure\",\"message\":"));
	SP_TRY(json_text(out, prefix, what));
	return sp_buf_printf(
		out,
		",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\","
		"\"message\":\"%d\"}]}}",
		exit_code);
}

sp_code sp_remote_status_error(sp_buf *out, const sp_channel_protocol *p, sp_str what)
{
	static const char prefix[] = "Internal error occurred: error executing command in container: ";
	if (!p->status_json)
		return plain_text(out, prefix, what);
	sp_buf_str(out, SP_STR("{\"status\":\"Failure\",\"message\":"));
	SP_TRY(json_text(out, prefix, what));
	return sp_buf_str(out, SP_STR(",\"reason\":\"InternalError\",\"code\":500}"));
}

sp_code sp_remote_status_internal(sp_buf *out, sp_str message)
{
	sp_buf_str(out, SP_STR("{\"metadata\":{},\"status\":\"Failure\",\"message\":"));
	SP_TRY(json_text(out, "Internal error occurred: ", message));
	sp_buf_str(out, SP_STR(",\"reason\":\"InternalError\",\"details\":{\"causes\":[{\"message\":"));
	SP_TRY(json_text(out, "", message));
	return sp_buf_str(out, SP_STR("}]},\"code\":500}"));
}
