/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/gzip.h"

#include <zlib.h>

#include "base/alloc.h"

#define PIECE_BYTES ((size_t)64 << 10)
#define GZIP_WINDOW (MAX_WBITS + 16)
/* What zlib is fed at once: its counters are 32 bits wide. */
#define FEED_BYTES_MAX ((size_t)1 << 30)

struct api_gzip {
	z_stream z;
};

api_gzip *api_gzip_new(void)
{
	api_gzip *g = sp_try_alloc(sizeof *g);
	if (g != NULL &&
	    deflateInit2(&g->z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		sp_free(g);
		return NULL;
	}
	return g;
}

void api_gzip_free(api_gzip *g)
{
	if (g == NULL)
		return;
	(void)deflateEnd(&g->z); /* what is left in it is not wanted */
	sp_free(g);
}

static void feed(z_stream *z, sp_str in)
{
	z->next_in = (Bytef *)(uintptr_t)in.ptr; /* zlib only reads it */
	z->avail_in = (uInt)in.len;
}

static sp_code run(z_stream *z, int (*step)(z_stream *z, int flush), int flush, sp_buf *out)
{
	int status;
	do {
		char *room = sp_buf_reserve(out, PIECE_BYTES);
		if (room == NULL)
			return sp_buf_code(out);
		z->next_out = (Bytef *)room;
		z->avail_out = PIECE_BYTES;
		status = step(z, flush);
		if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
			return SP_EINVAL;
		sp_buf_added(out, PIECE_BYTES - z->avail_out);
	} while (z->avail_out == 0 || (flush == Z_FINISH && status == Z_OK));
	return SP_OK;
}

sp_code api_gzip_write(api_gzip *g, sp_str in, bool last, sp_buf *out)
{
	while (in.len > FEED_BYTES_MAX) {
		feed(&g->z, sp_str_sub(in, 0, FEED_BYTES_MAX));
		SP_TRY(run(&g->z, deflate, Z_NO_FLUSH, out));
		in = sp_str_sub(in, FEED_BYTES_MAX, in.len);
	}
	feed(&g->z, in);
	return run(&g->z, deflate, last ? Z_FINISH : Z_NO_FLUSH, out);
}

sp_code api_gzip_all(sp_str in, sp_buf *out)
{
	api_gzip *g = api_gzip_new();
	if (g == NULL)
		return SP_ENOMEM;
	sp_code code = api_gzip_write(g, in, true, out);
	api_gzip_free(g);
	return code;
}

sp_code api_gunzip_all(sp_str in, sp_buf *out)
{
	z_stream z = {0};
	if (in.len > FEED_BYTES_MAX)
		return SP_ETOOLARGE;
	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return SP_ENOMEM;
	feed(&z, in);
	sp_code code = run(&z, inflate, Z_NO_FLUSH, out);
	(void)inflateEnd(&z); /* nothing to lose */
	return code;
}
