/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/unpack/source.h"

#include <errno.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/alloc.h"

#define IN_BYTES ((size_t)256 << 10)
#define OUT_BYTES ((size_t)256 << 10)
#define ZSTD_WINDOW_LOG_MAX 27 /* 128 MiB: what the zstd program takes without being asked */

typedef enum coding { CODING_UNKNOWN, CODING_PLAIN, CODING_GZIP, CODING_ZSTD } coding;

struct unpack_source {
	int fd;
	coding coding;
	bool input_ended, ended;
	bool inside; /* a member or frame has begun and not ended */
	uint8_t *in, *out;
	size_t in_at, in_n; /* what is left of the input: in[in_at, in_n) */
	z_stream gzip;
	ZSTD_DCtx *zstd;
	sp_sha256_sum *sum;
};

unpack_source *unpack_source_new(int fd)
{
	unpack_source *s = sp_try_alloc(sizeof *s);
	if (s == NULL)
		return NULL;
	s->fd = fd;
	s->in = sp_try_alloc(IN_BYTES);
	s->out = sp_try_alloc(OUT_BYTES);
	s->sum = sp_sha256_new();
	if (s->in == NULL || s->out == NULL || s->sum == NULL) {
		unpack_source_free(s);
		return NULL;
	}
	return s;
}

void unpack_source_free(unpack_source *s)
{
	if (s == NULL)
		return;
	if (s->coding == CODING_GZIP)
		(void)inflateEnd(&s->gzip); /* only tells whether it had ended */
	(void)ZSTD_freeDCtx(s->zstd);
	sp_sha256_free(s->sum);
	sp_free(s->in);
	sp_free(s->out);
	sp_free(s);
}

/* More input behind what is left of it, which moves to the front. */
static sp_code read_more(unpack_source *s, sp_err *err)
{
	if (s->in_at > 0) {
		memmove(s->in, s->in + s->in_at, s->in_n - s->in_at);
		s->in_n -= s->in_at;
		s->in_at = 0;
	}
	ssize_t n;
	do
		n = read(s->fd, s->in + s->in_n, IN_BYTES - s->in_n);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return sp_fail_sys(err, errno, "read the layer");
	if (n == 0)
		s->input_ended = true;
	s->in_n += (size_t)n;
	return SP_OK;
}

static bool is_gzip(const uint8_t *p, size_t n)
{
	return n >= 2 && p[0] == 0x1f && p[1] == 0x8b;
}

/* A frame, or one that may be skipped. */
static bool is_zstd(const uint8_t *p, size_t n)
{
	return n >= 4 && ((p[0] == 0x28 && p[1] == 0xb5 && p[2] == 0x2f && p[3] == 0xfd) ||
			  ((p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d && p[3] == 0x18));
}

static sp_code begin(unpack_source *s, sp_err *err)
{
	while (s->in_n < 4 && !s->input_ended)
		SP_TRY(read_more(s, err));
	if (is_zstd(s->in, s->in_n)) {
		s->zstd = ZSTD_createDCtx();
		if (s->zstd == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for zstd");
		(void)ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
		s->coding = CODING_ZSTD;
	} else if (is_gzip(s->in, s->in_n)) {
		if (inflateInit2(&s->gzip, 16 + MAX_WBITS) != Z_OK)
			return sp_fail(err, SP_ENOMEM, "no memory for gzip");
		s->coding = CODING_GZIP;
	} else {
		s->coding = CODING_PLAIN;
	}
	return SP_OK;
}

static sp_code damaged(sp_err *err, const char *program, const char *why)
{
	return sp_fail(err, SP_EINVAL, "the layer is damaged: %s: %s", program, why);
}

/* What may follow a member: another one, or zeros that fill a block. */
static sp_code gzip_member_ended(unpack_source *s, sp_err *err)
{
	s->inside = false;
	for (;;) {
		while (s->in_at < s->in_n && s->in[s->in_at] == 0)
			s->in_at++;
		if (s->in_n - s->in_at >= 2 || s->input_ended)
			break;
		SP_TRY(read_more(s, err));
	}
	if (s->in_at == s->in_n)
		return SP_OK;
	if (!is_gzip(s->in + s->in_at, s->in_n - s->in_at))
		return damaged(err, "gzip", "other bytes follow");
	return inflateReset(&s->gzip) == Z_OK ? SP_OK : damaged(err, "gzip", "reset");
}

/* At most OUT_BYTES; 0 only when input is wanted or nothing is left. */
static sp_code gzip_step(unpack_source *s, size_t *ret_n, sp_err *err)
{
	s->gzip.next_in = s->in + s->in_at;
	s->gzip.avail_in = (uInt)(s->in_n - s->in_at);
	s->gzip.next_out = s->out;
	s->gzip.avail_out = (uInt)OUT_BYTES;
	s->inside = true;
	int rc = inflate(&s->gzip, Z_NO_FLUSH);
	s->in_at = s->in_n - s->gzip.avail_in;
	*ret_n = OUT_BYTES - s->gzip.avail_out;
	if (rc == Z_STREAM_END)
		return gzip_member_ended(s, err);
	if (rc == Z_OK || rc == Z_BUF_ERROR)
		return SP_OK;
	if (rc == Z_MEM_ERROR)
		return sp_fail(err, SP_ENOMEM, "no memory for gzip");
	return damaged(err, "gzip", s->gzip.msg == NULL ? "unknown" : s->gzip.msg);
}

static sp_code zstd_step(unpack_source *s, size_t *ret_n, sp_err *err)
{
	ZSTD_inBuffer in = {s->in, s->in_n, s->in_at};
	ZSTD_outBuffer out = {s->out, OUT_BYTES, 0};
	size_t rc = ZSTD_decompressStream(s->zstd, &out, &in);
	if (ZSTD_isError(rc))
		return damaged(err, "zstd", ZSTD_getErrorName(rc));
	s->in_at = in.pos;
	s->inside = rc != 0;
	*ret_n = out.pos;
	return SP_OK;
}

/* At least one byte, or 0 at the end. */
static sp_code decode(unpack_source *s, size_t *ret_n, sp_err *err)
{
	for (*ret_n = 0;;) {
		/* Output that did not fit comes without further input. */
		if (s->in_at < s->in_n || s->inside) {
			SP_TRY(s->coding == CODING_GZIP ? gzip_step(s, ret_n, err)
							: zstd_step(s, ret_n, err));
			if (*ret_n > 0)
				return SP_OK;
		}
		if (s->in_at < s->in_n && !s->inside)
			continue; /* the next member */
		if (s->input_ended)
			return s->inside ? damaged(err, s->coding == CODING_GZIP ? "gzip" : "zstd",
						   "it ends early")
					 : SP_OK;
		SP_TRY(read_more(s, err));
	}
}

sp_code unpack_source_fill(void *source, const uint8_t **ret, size_t *ret_n, sp_err *err)
{
	unpack_source *s = source;
	if (s->coding == CODING_UNKNOWN)
		SP_TRY(begin(s, err));
	if (s->coding == CODING_PLAIN) {
		if (s->in_at == s->in_n && !s->input_ended)
			SP_TRY(read_more(s, err));
		*ret = s->in + s->in_at;
		*ret_n = s->in_n - s->in_at;
		s->in_at = s->in_n;
	} else {
		SP_TRY(decode(s, ret_n, err));
		*ret = s->out;
	}
	sp_sha256_update(s->sum, *ret, *ret_n);
	return SP_OK;
}

void unpack_source_digest(unpack_source *s, char out[SP_SHA256_TEXT_BYTES + 1])
{
	sp_sha256_text(s->sum, out);
}
