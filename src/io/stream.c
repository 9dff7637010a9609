/* SPDX-License-Identifier: Apache-2.0 */
#include "io/stream.h"

static void wait_data(void *arg, const uint8_t *bytes, size_t n)
{
	(void)arg, (void)bytes, (void)n;
}

static void wait_end(void *arg)
{
	(void)arg;
}

static void wait_error(void *arg, const sp_err *err)
{
	(void)arg, (void)err;
}

const sp_stream_handler sp_stream_waiting = {
	.on_data = wait_data, .on_end = wait_end, .on_error = wait_error};
