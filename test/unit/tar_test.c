/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/t.h"
#include "base/tar.h"

typedef struct source {
	const uint8_t *bytes;
	size_t n, at, step;
} source;

static sp_code fill(void *arg, const uint8_t **ret, size_t *ret_n, sp_err *err)
{
	source *s = arg;
	(void)err;
	*ret = s->bytes + s->at;
	*ret_n = SP_MIN(s->step, s->n - s->at);
	s->at += *ret_n;
	return SP_OK;
}

/* A head of any type, its sum right. */
static void head(uint8_t *out, char type, const char *name, const char *link, uint64_t size)
{
	uint32_t sum = 0;
	sp_err err;
	SP_ASSERT(sp_tar_head(out, sp_str_c(name), 0644, size, &err) == SP_OK);
	out[156] = (uint8_t)type;
	memcpy(out + 157, link, strlen(link));
	memset(out + 148, ' ', 8);
	for (size_t i = 0; i < SP_TAR_BLOCK; i++)
		sum += out[i];
	(void)snprintf((char *)out + 148, 8, "%06o", sum);
}

SP_TEST(tar, reads_what_it_writes)
{
	static uint8_t bytes[8 * SP_TAR_BLOCK];
	const sp_tar_entry *e;
	const uint8_t *p;
	size_t n;
	uint64_t offset;
	for (size_t step = 1; step <= sizeof bytes; step = step * 7 + 1) {
		SP_CLEANUP(sp_tar_done) sp_tar t;
		source s = {bytes, sizeof bytes, 0, step};
		sp_tar_init(&t, fill, &s);
		memset(bytes, 0, sizeof bytes);
		T_OK(sp_tar_head(bytes, SP_STR("dir/"), 0755, 0, T_ERR));
		T_OK(sp_tar_head(bytes + 512, SP_STR("dir/file"), 0644, 600, T_ERR));
		memset(bytes + 1024, 'x', 600);
		t_row("step %zu", step);
		T_OK(sp_tar_next(&t, &e, T_ERR));
		T_EQ_C(e->path, "dir/");
		T_TRUE(e->type == SP_TAR_DIR && e->mode == 0755);
		T_OK(sp_tar_next(&t, &e, T_ERR));
		T_EQ_C(e->path, "dir/file");
		T_EQ_U64(e->size_bytes, 600);
		uint64_t total = 0;
		do {
			T_OK(sp_tar_data(&t, &p, &n, &offset, T_ERR));
			T_TRUE(n == 0 || (offset == total && p[0] == 'x'));
			total += n;
		} while (n > 0);
		T_EQ_U64(total, 600);
		T_OK(sp_tar_next(&t, &e, T_ERR));
		T_TRUE(e == NULL);
		T_OK(sp_tar_drain(&t, T_ERR));
	}
}

static sp_code first(const uint8_t *bytes, size_t n, sp_tar *t, source *s, const sp_tar_entry **ret)
{
	*s = (source){bytes, n, 0, n};
	sp_tar_init(t, fill, s);
	return sp_tar_next(t, ret, t_err());
}

SP_TEST(tar, extended_headers)
{
	static uint8_t bytes[6 * SP_TAR_BLOCK];
	static const char records[] = "15 mtime=-1.25\n"
				      "20 path=long/na\xc3"
				      "\xa9"
				      "me\n"
				      "14 uid=123456\n"
				      "28 SCHILY.xattr.user.a=b\nc\0\n";
	const sp_tar_entry *e;
	SP_CLEANUP(sp_tar_done) sp_tar t;
	source s;
	sp_tar_init(&t, fill, &s);
	head(bytes, 'x', "pax", "", sizeof records - 1);
	memcpy(bytes + 512, records, sizeof records - 1);
	head(bytes + 1024, '2', "short", "to", 0);
	T_OK(first(bytes, sizeof bytes, &t, &s, &e));
	T_EQ_C(e->path, "long/na\xc3\xa9me");
	T_EQ_C(e->link, "to");
	T_EQ_I64(e->mtime_s, -2);
	T_EQ_U64(e->mtime_ns, 750000000);
	T_EQ_U64(e->uid, 123456);
	T_EQ_U64(e->n_xattrs, 1);
	T_EQ_C(e->xattrs[0].name, "user.a");
	T_EQ_STR(e->xattrs[0].value, SP_STR("b\nc\0"));
}

SP_TEST(tar, sparse_map)
{
	static uint8_t bytes[6 * SP_TAR_BLOCK];
	static const char records[] = "26 GNU.sparse.realsize=99\n"
				      "24 GNU.sparse.name=real\n"
				      "28 GNU.sparse.map=10,4,90,6\n";
	const sp_tar_entry *e;
	const uint8_t *p;
	size_t n;
	uint64_t offset;
	SP_CLEANUP(sp_tar_done) sp_tar t;
	source s;
	sp_tar_init(&t, fill, &s);
	head(bytes, 'x', "pax", "", sizeof records - 1);
	memcpy(bytes + 512, records, sizeof records - 1);
	head(bytes + 1024, '0', "GNUSparseFile.0/real", "", 10);
	memcpy(bytes + 1536, "aaaabbbbbb", 10);
	T_OK(first(bytes, sizeof bytes, &t, &s, &e));
	T_EQ_C(e->path, "real");
	T_EQ_U64(e->size_bytes, 99);
	T_OK(sp_tar_data(&t, &p, &n, &offset, T_ERR));
	T_TRUE(n == 4 && offset == 10 && p[0] == 'a');
	T_OK(sp_tar_data(&t, &p, &n, &offset, T_ERR));
	T_TRUE(n == 6 && offset == 90 && p[0] == 'b');
}

SP_TEST(tar, refuses)
{
	static const struct {
		const char *what;
		size_t at;
		const char *bytes;
		size_t n, keep;
	} rows[] = {
		{"sum", 0, "X", 1, 2048},
		{"cut head", 0, "", 0, 300},
		{"cut data", 0, "", 0, 700},
		{"size", 124, "9", 1, 2048},
		{"type", 156, "Z", 1, 2048},
		{"negative size", 124, "\xff\xff", 2, 2048},
		{"huge size", 124, "\x80\xff", 2, 2048},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		uint8_t bytes[4 * SP_TAR_BLOCK] = {0};
		const sp_tar_entry *e = NULL;
		sp_tar t;
		source s;
		uint32_t sum = 0;
		head(bytes, '0', "file", "", 600);
		memcpy(bytes + rows[i].at, rows[i].bytes, rows[i].n);
		for (size_t k = 0; i > 0 && k < SP_TAR_BLOCK; k++)
			sum += k >= 148 && k < 156 ? ' ' : bytes[k];
		if (i > 0)
			(void)snprintf((char *)bytes + 148, 8, "%06o", sum);
		t_row("%s", rows[i].what);
		sp_code code = first(bytes, rows[i].keep, &t, &s, &e);
		if (code == SP_OK)
			code = sp_tar_next(&t, &e, T_ERR);
		sp_tar_done(&t);
		T_TRUE(code == SP_EINVAL || code == SP_EUNSUPPORTED || code == SP_ENOMEM);
	}
}
