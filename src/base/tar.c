/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tar.h"

#include "base/num.h"

#define ARENA_BYTES                                                                             \
	((size_t)16 << 20) /* of one entry: its extended headers, and the list of a sparse file \
			    */

/* ---- the head: where the fields stand ---- */

typedef struct field {
	uint16_t at, n;
} field;

static const field f_name = {0, 100}, f_mode = {100, 8}, f_uid = {108, 8}, f_gid = {116, 8},
		   f_size = {124, 12}, f_mtime = {136, 12}, f_sum = {148, 8}, f_link = {157, 100},
		   f_magic = {257, 8}, f_major = {329, 8}, f_minor = {337, 8}, f_prefix = {345, 155},
		   f_sparse_more = {482, 1}, f_sparse_size = {483, 12};
#define AT_TYPE 156
#define AT_SPARSE 386 /* GNU: four pairs of offset and length, 12 bytes each */
#define SPARSE_PAIRS 4
#define SPARSE_MORE_PAIRS 21 /* in a continuation block, whose byte 504 tells of one more */
#define AT_MORE_MORE 504

static sp_str field_text(const uint8_t *head, field f)
{
	const char *p = (const char *)head + f.at;
	return (sp_str){p, strnlen(p, f.n)};
}

/* Octal text, or big-endian two's complement behind a first byte with its highest bit set. */
static bool number(const uint8_t *p, size_t n, int64_t *ret)
{
	if ((p[0] & 0x80) != 0) {
		/* Sign-extended from the six bits of the first byte. */
		uint64_t v = (p[0] & 0x40) != 0 ? ~UINT64_C(0) : 0;
		for (size_t i = 0; i < n; i++) {
			uint8_t byte =
				i == 0 ? (uint8_t)(p[0] & 0x3f) | ((p[0] & 0x40) != 0 ? 0xc0 : 0) : p[i];
			uint64_t top = v >> 55; /* all bits that would leave, and the sign */
			if (top != 0 && top != 0x1ff)
				return false;
			v = v << 8 | byte;
		}
		*ret = (int64_t)v;
		return true;
	}
	size_t i = 0;
	int64_t v = 0;
	while (i < n && p[i] == ' ')
		i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++) {
		if (v > INT64_MAX >> 3)
			return false;
		v = v << 3 | (p[i] - '0');
	}
	for (; i < n && p[i] != '\0'; i++) {
		if (p[i] != ' ')
			return false;
	}
	*ret = v;
	return true;
}

static bool field_number(const uint8_t *head, field f, int64_t min, int64_t max, int64_t *ret)
{
	return number(head + f.at, f.n, ret) && *ret >= min && *ret <= max;
}

/* Some old programs added signed bytes. */
static bool sum_is_right(const uint8_t *head)
{
	int64_t want, plain = 0, with_sign = 0;
	if (!number(head + f_sum.at, f_sum.n, &want))
		return false;
	for (size_t i = 0; i < SP_TAR_BLOCK; i++) {
		uint8_t byte = i >= f_sum.at && i < f_sum.at + f_sum.n ? ' ' : head[i];
		plain += byte;
		with_sign += (int8_t)byte;
	}
	return want == plain || want == with_sign;
}

/* ---- the source ---- */

void sp_tar_init(sp_tar *t, sp_code (*fill)(void *arg, const uint8_t **ret, size_t *ret_n, sp_err *err),
		 void *arg)
{
	*t = (sp_tar){.fill = fill, .arg = arg};
	sp_arena_init(&t->arena, ARENA_BYTES);
}

void sp_tar_done(sp_tar *t)
{
	sp_arena_done(&t->arena);
}

static sp_code early(sp_err *err)
{
	return sp_fail(err, SP_EINVAL, "the archive ends early");
}

/* At least one byte in the slice, or SP_OK with none at the end. */
static sp_code more(sp_tar *t, sp_err *err)
{
	return t->n > 0 ? SP_OK : t->fill(t->arg, &t->ptr, &t->n, err);
}

static sp_code copy(sp_tar *t, void *to, size_t n, size_t *ret_n, sp_err *err)
{
	size_t done = 0;
	while (done < n) {
		SP_TRY(more(t, err));
		if (t->n == 0)
			break;
		size_t part = SP_MIN(n - done, t->n);
		memcpy((uint8_t *)to + done, t->ptr, part);
		t->ptr += part;
		t->n -= part;
		done += part;
	}
	*ret_n = done;
	return SP_OK;
}

static sp_code copy_all(sp_tar *t, void *to, size_t n, sp_err *err)
{
	size_t got;
	SP_TRY(copy(t, to, n, &got, err));
	return got == n ? SP_OK : early(err);
}

static sp_code skip(sp_tar *t, uint64_t n, sp_err *err)
{
	while (n > 0) {
		SP_TRY(more(t, err));
		if (t->n == 0)
			return early(err);
		size_t part = t->n < n ? t->n : (size_t)n;
		t->ptr += part;
		t->n -= part;
		n -= part;
	}
	return SP_OK;
}

sp_code sp_tar_drain(sp_tar *t, sp_err *err)
{
	do {
		t->n = 0;
		SP_TRY(more(t, err));
	} while (t->n > 0);
	return SP_OK;
}

static uint64_t padding(uint64_t n)
{
	return (SP_TAR_BLOCK - n % SP_TAR_BLOCK) % SP_TAR_BLOCK;
}

/* ---- extended headers ---- */

/* What stood before the head it belongs to. {NULL, 0} and has_… false: nothing. */
typedef struct extended {
	sp_str path, link, sparse_name, sparse_map;
	bool has_size, has_uid, has_gid, has_mtime, has_sparse_size;
	int64_t size, uid, gid, mtime_s, sparse_size, sparse_major, sparse_minor;
	uint32_t mtime_ns;
	bool sparse_1_0;
	sp_tar_xattr *xattrs;
	size_t n_xattrs, cap_xattrs;
	sp_tar_extent *extents; /* of pax 0.0 */
	size_t n_extents, cap_extents;
} extended;

static sp_code no_room(sp_err *err)
{
	return sp_fail(err, SP_ETOOLARGE, "the head of an entry takes more than %zu bytes", ARENA_BYTES);
}

static sp_code malformed(sp_err *err, const char *what)
{
	return sp_fail(err, SP_EINVAL, "malformed archive: %s", what);
}

/* One more place at the end of an array in the arena, twice as large when it is full. */
static void *grow(sp_arena *a, void *items, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return items;
	size_t wider = *cap == 0 ? 8 : *cap * 2;
	void *p = sp_arena_try_grow(a, items, *cap * size, wider * size);
	if (p != NULL)
		*cap = wider;
	return p;
}

static sp_code add_extent(sp_tar *t, extended *x, uint64_t offset, uint64_t size, sp_err *err)
{
	uint64_t end;
	if (!sp_add(offset, size, &end) || end > INT64_MAX)
		return malformed(err, "a piece of a sparse file");
	if (x->n_extents > 0) {
		const sp_tar_extent *last = &x->extents[x->n_extents - 1];
		if (offset < last->offset + last->size_bytes)
			return malformed(err, "pieces of a sparse file overlap");
	}
	if (size == 0)
		return SP_OK; /* marks the end of a file that ends with a hole */
	if (x->n_extents == SP_TAR_EXTENTS_MAX)
		return sp_fail(err, SP_ETOOLARGE, "a sparse file of more than %u pieces", SP_TAR_EXTENTS_MAX);
	sp_tar_extent *items = grow(&t->arena, x->extents, x->n_extents, &x->cap_extents, sizeof *items);
	if (items == NULL)
		return no_room(err);
	x->extents = items;
	x->extents[x->n_extents++] = (sp_tar_extent){offset, size};
	return SP_OK;
}

static sp_code set_number(sp_str v, int64_t *ret, bool *has, sp_err *err)
{
	SP_TRY(sp_parse_i64(v, 0, INT64_MAX, ret, err));
	*has = true;
	return SP_OK;
}

/* "-1.25": seconds and a fraction that is added upwards. */
static sp_code set_mtime(extended *x, sp_str v, sp_err *err)
{
	sp_str whole, rest = v;
	uint32_t nanos = 0;
	if (!sp_str_cut(&rest, '.', &whole)) {
		whole = v;
		rest = (sp_str){NULL, 0};
	}
	bool negative = sp_str_starts(whole, SP_STR("-"));
	for (size_t i = 0; i < 9; i++) {
		char c = i < rest.len ? rest.ptr[i] : '0';
		if (c < '0' || c > '9')
			return malformed(err, "a time");
		nanos = nanos * 10 + (uint32_t)(c - '0');
	}
	SP_TRY(sp_parse_i64(whole, INT64_MIN / 2, INT64_MAX / 2, &x->mtime_s, err));
	if (negative && nanos > 0) {
		x->mtime_s--;
		nanos = 1000000000u - nanos;
	}
	x->mtime_ns = nanos;
	x->has_mtime = true;
	return SP_OK;
}

static sp_code set_name(sp_str v, sp_str *ret, sp_err *err)
{
	if (v.len > SP_TAR_NAME_BYTES)
		return sp_fail(err, SP_ETOOLARGE, "a name of %zu bytes, at most %u are allowed", v.len,
			       SP_TAR_NAME_BYTES);
	if (sp_str_index(v, '\0') >= 0)
		return malformed(err, "a NUL in a name");
	*ret = v;
	return SP_OK;
}

static sp_code set_xattr(sp_tar *t, extended *x, sp_str name, sp_str value, sp_err *err)
{
	sp_tar_xattr *items = grow(&t->arena, x->xattrs, x->n_xattrs, &x->cap_xattrs, sizeof *items);
	if (items == NULL)
		return no_room(err);
	x->xattrs = items;
	if (name.len == 0 || sp_str_index(name, '\0') >= 0)
		return malformed(err, "a name of an extended attribute");
	sp_str copied = sp_arena_try_dup(&t->arena, name);
	if (copied.ptr == NULL)
		return no_room(err);
	x->xattrs[x->n_xattrs++] = (sp_tar_xattr){copied, value};
	return SP_OK;
}

/* The pairs of format 0.0 come one key at a time; the offset waits in sparse_minor's neighbour until its
 * length. */
static sp_code pax_sparse(sp_tar *t, extended *x, sp_str key, sp_str v, int64_t *waiting, sp_err *err)
{
	int64_t n;
	bool unused;
	if (sp_str_eq(key, SP_STR("name")))
		return set_name(v, &x->sparse_name, err);
	if (sp_str_eq(key, SP_STR("map"))) {
		x->sparse_map = v;
		return SP_OK;
	}
	if (sp_str_eq(key, SP_STR("size")) || sp_str_eq(key, SP_STR("realsize")))
		return set_number(v, &x->sparse_size, &x->has_sparse_size, err);
	if (sp_str_eq(key, SP_STR("major")))
		return set_number(v, &x->sparse_major, &x->sparse_1_0, err);
	if (sp_str_eq(key, SP_STR("offset")))
		return set_number(v, waiting, &unused, err);
	if (sp_str_eq(key, SP_STR("numbytes"))) {
		SP_TRY(set_number(v, &n, &unused, err));
		return add_extent(t, x, (uint64_t)*waiting, (uint64_t)n, err);
	}
	return SP_OK; /* minor, numblocks */
}

static sp_code pax_record(sp_tar *t, extended *x, sp_str key, sp_str v, int64_t *waiting, sp_err *err)
{
	if (sp_str_take(&key, SP_STR("SCHILY.xattr.")))
		return set_xattr(t, x, key, v, err);
	if (sp_str_take(&key, SP_STR("GNU.sparse.")))
		return pax_sparse(t, x, key, v, waiting, err);
	if (sp_str_eq(key, SP_STR("path")))
		return set_name(v, &x->path, err);
	if (sp_str_eq(key, SP_STR("linkpath")))
		return set_name(v, &x->link, err);
	if (sp_str_eq(key, SP_STR("mtime")))
		return set_mtime(x, v, err);
	if (sp_str_eq(key, SP_STR("size")))
		return set_number(v, &x->size, &x->has_size, err);
	if (sp_str_eq(key, SP_STR("uid")))
		return set_number(v, &x->uid, &x->has_uid, err);
	if (sp_str_eq(key, SP_STR("gid")))
		return set_number(v, &x->gid, &x->has_gid, err);
	return SP_OK; /* atime, uname, comment …: nothing that a layer needs */
}

/* Records "LENGTH KEY=VALUE\n", the length counting itself. */
static sp_code pax(sp_tar *t, extended *x, sp_str text, sp_err *err)
{
	int64_t waiting = 0;
	while (text.len > 0 && text.ptr[0] != '\0') {
		sp_str digits, rest = text, key;
		uint64_t n;
		if (!sp_str_cut(&rest, ' ', &digits) ||
		    sp_parse_u64(digits, digits.len + 3, text.len, &n, NULL) != SP_OK ||
		    text.ptr[n - 1] != '\n')
			return malformed(err, "an extended header");
		rest = (sp_str){rest.ptr, (size_t)n - digits.len - 2};
		if (!sp_str_cut(&rest, '=', &key))
			return malformed(err, "an extended header");
		SP_TRY(pax_record(t, x, key, rest, &waiting, err));
		text = sp_str_sub(text, (size_t)n, text.len);
	}
	return SP_OK;
}

/* The data of an extended header, a NUL behind it. */
static sp_code extended_text(sp_tar *t, const uint8_t *head, sp_str *ret, sp_err *err)
{
	int64_t n;
	if (!field_number(head, f_size, 0, (int64_t)SP_TAR_EXTENDED_BYTES, &n))
		return sp_fail(err, SP_ETOOLARGE, "an extended header of more than %zu bytes",
			       SP_TAR_EXTENDED_BYTES);
	char *p = sp_arena_try_alloc(&t->arena, (size_t)n + 1);
	if (p == NULL)
		return no_room(err);
	SP_TRY(copy_all(t, p, (size_t)n, err));
	*ret = (sp_str){p, (size_t)n};
	return skip(t, padding((uint64_t)n), err);
}

/* GNU's long names end with a NUL. */
static sp_code gnu_name(sp_tar *t, const uint8_t *head, sp_str *ret, sp_err *err)
{
	sp_str text;
	SP_TRY(extended_text(t, head, &text, err));
	return set_name((sp_str){text.ptr, strnlen(text.ptr, text.len)}, ret, err);
}

/* ---- sparse files ---- */

static sp_code gnu_pairs(sp_tar *t, extended *x, const uint8_t *p, size_t n, sp_err *err)
{
	for (size_t i = 0; i < n; i++, p += 24) {
		int64_t offset, size;
		if (p[0] == '\0')
			return SP_OK;
		if (!number(p, 12, &offset) || !number(p + 12, 12, &size) || offset < 0 || size < 0)
			return malformed(err, "a piece of a sparse file");
		SP_TRY(add_extent(t, x, (uint64_t)offset, (uint64_t)size, err));
	}
	return SP_OK;
}

static sp_code gnu_sparse(sp_tar *t, extended *x, const uint8_t *head, sp_err *err)
{
	uint8_t block[SP_TAR_BLOCK];
	if (!field_number(head, f_sparse_size, 0, INT64_MAX, &x->sparse_size))
		return malformed(err, "the size of a sparse file");
	x->has_sparse_size = true;
	SP_TRY(gnu_pairs(t, x, head + AT_SPARSE, SPARSE_PAIRS, err));
	for (bool again = head[f_sparse_more.at] != 0; again; again = block[AT_MORE_MORE] != 0) {
		SP_TRY(copy_all(t, block, sizeof block, err));
		SP_TRY(gnu_pairs(t, x, block, SPARSE_MORE_PAIRS, err));
	}
	return SP_OK;
}

/* "0,512,1024,512" */
static sp_code pax_map(sp_tar *t, extended *x, sp_err *err)
{
	sp_str rest = x->sparse_map;
	while (rest.len > 0) {
		sp_str offset_text, size_text;
		uint64_t offset, size;
		if (!sp_str_cut(&rest, ',', &offset_text))
			return malformed(err, "the map of a sparse file");
		if (!sp_str_cut(&rest, ',', &size_text)) {
			size_text = rest;
			rest.len = 0;
		}
		SP_TRY(sp_parse_u64(offset_text, 0, INT64_MAX, &offset, err));
		SP_TRY(sp_parse_u64(size_text, 0, INT64_MAX, &size, err));
		SP_TRY(add_extent(t, x, offset, size, err));
	}
	return SP_OK;
}

/* Format 1.0: lines of decimal numbers in front of the data, filled up to a whole block. */
static sp_code data_line(sp_tar *t, uint64_t *used, uint64_t *ret, sp_err *err)
{
	char text[24];
	size_t n = 0;
	for (;; n++) {
		if (n == sizeof text || *used == t->left_bytes)
			return malformed(err, "the map of a sparse file");
		SP_TRY(copy_all(t, &text[n], 1, err));
		++*used;
		if (text[n] == '\n')
			return sp_parse_u64((sp_str){text, n}, 0, INT64_MAX, ret, err);
	}
}

static sp_code data_map(sp_tar *t, extended *x, sp_err *err)
{
	uint64_t used = 0, n, offset, size;
	SP_TRY(data_line(t, &used, &n, err));
	for (uint64_t i = 0; i < n; i++) {
		SP_TRY(data_line(t, &used, &offset, err));
		SP_TRY(data_line(t, &used, &size, err));
		SP_TRY(add_extent(t, x, offset, size, err));
	}
	uint64_t fill = padding(used);
	if (fill > t->left_bytes - used)
		return malformed(err, "the map of a sparse file");
	SP_TRY(skip(t, fill, err));
	t->left_bytes -= used + fill;
	return SP_OK;
}

static sp_code sparse(sp_tar *t, extended *x, const uint8_t *head, sp_err *err)
{
	uint64_t sum = 0;
	if (head[AT_TYPE] != 'S') { /* whose map was read with its head */
		if (x->sparse_map.ptr != NULL)
			SP_TRY(pax_map(t, x, err));
		else if (x->sparse_1_0 && x->sparse_major == 1)
			SP_TRY(data_map(t, x, err));
	}
	for (size_t i = 0; i < x->n_extents; i++)
		sum += x->extents[i].size_bytes;
	const sp_tar_extent *last = x->n_extents == 0 ? NULL : &x->extents[x->n_extents - 1];
	if (sum != t->left_bytes ||
	    (last != NULL && last->offset + last->size_bytes > (uint64_t)x->sparse_size))
		return malformed(err, "the pieces of a sparse file do not make its size");
	t->entry.size_bytes = (uint64_t)x->sparse_size;
	t->entry.extents = x->extents;
	t->entry.n_extents = x->n_extents;
	return SP_OK;
}

/* ---- entries ---- */

/* '\0' is the old form of '0', '7' a file in one piece, 'S' GNU's sparse file. */
static bool type_of(uint8_t c, sp_tar_type *ret)
{
	static const struct {
		char c;
		sp_tar_type type;
	} types[] = {
		{'0', SP_TAR_FILE},     {'\0', SP_TAR_FILE},   {'7', SP_TAR_FILE}, {'S', SP_TAR_FILE},
		{'1', SP_TAR_HARDLINK}, {'2', SP_TAR_SYMLINK}, {'3', SP_TAR_CHAR}, {'4', SP_TAR_BLOCKDEV},
		{'5', SP_TAR_DIR},      {'6', SP_TAR_FIFO},
	};
	for (size_t i = 0; i < SP_LEN(types); i++) {
		if ((uint8_t)types[i].c == c) {
			*ret = types[i].type;
			return true;
		}
	}
	return false;
}

static sp_code names(sp_tar *t, const extended *x, const uint8_t *head, sp_err *err)
{
	sp_tar_entry *e = &t->entry;
	sp_str name = field_text(head, f_name), prefix = {NULL, 0};
	/* GNU's own magic has other fields where ustar has the prefix. */
	if (memcmp(head + f_magic.at, "ustar\0", 6) == 0)
		prefix = field_text(head, f_prefix);
	if (x->sparse_name.ptr != NULL)
		e->path = sp_arena_try_dup(&t->arena, x->sparse_name);
	else if (x->path.ptr != NULL)
		e->path = sp_arena_try_dup(&t->arena, x->path);
	else if (prefix.len > 0)
		e->path = SP_CONCAT(&t->arena, prefix, SP_STR("/"), name);
	else
		e->path = sp_arena_try_dup(&t->arena, name);
	e->link = sp_arena_try_dup(&t->arena, x->link.ptr != NULL ? x->link : field_text(head, f_link));
	if (e->path.ptr == NULL)
		return name.len == 0 && x->path.ptr == NULL ? malformed(err, "an entry without a name")
							    : no_room(err);
	return SP_OK;
}

static sp_code numbers(sp_tar *t, const extended *x, const uint8_t *head, sp_err *err)
{
	sp_tar_entry *e = &t->entry;
	int64_t mode, uid = x->uid, gid = x->gid, size = x->size, major = 0, minor = 0;
	bool device = e->type == SP_TAR_CHAR || e->type == SP_TAR_BLOCKDEV;
	if (!field_number(head, f_mode, 0, INT64_MAX, &mode))
		return malformed(err, "a mode");
	if (!x->has_uid && !field_number(head, f_uid, 0, UINT32_MAX - 1, &uid))
		return malformed(err, "an owner");
	if (!x->has_gid && !field_number(head, f_gid, 0, UINT32_MAX - 1, &gid))
		return malformed(err, "a group");
	if (uid >= UINT32_MAX || gid >= UINT32_MAX)
		return malformed(err, "an owner or group above 32 bits");
	if (!x->has_size && !field_number(head, f_size, 0, INT64_MAX - SP_TAR_BLOCK, &size))
		return malformed(err, "a size");
	if (size > INT64_MAX - (int64_t)SP_TAR_BLOCK)
		return malformed(err, "a size");
	if (device && (!field_number(head, f_major, 0, UINT32_MAX, &major) ||
		       !field_number(head, f_minor, 0, UINT32_MAX, &minor)))
		return malformed(err, "a device number");
	e->mtime_s = x->mtime_s;
	e->mtime_ns = x->mtime_ns;
	if (!x->has_mtime && !number(head + f_mtime.at, f_mtime.n, &e->mtime_s))
		return malformed(err, "a time");
	e->mode = (uint32_t)mode & 07777;
	e->uid = (uint32_t)uid;
	e->gid = (uint32_t)gid;
	e->dev_major = (uint32_t)major;
	e->dev_minor = (uint32_t)minor;
	/* Old programs leave the linked file's size in a link's head, and no data follows. */
	t->left_bytes = e->type == SP_TAR_FILE ? (uint64_t)size : 0;
	t->pad_bytes = padding(t->left_bytes);
	e->size_bytes = t->left_bytes;
	return SP_OK;
}

static sp_code finish_entry(sp_tar *t, extended *x, const uint8_t *head, sp_err *err)
{
	sp_tar_entry *e = &t->entry;
	*e = (sp_tar_entry){.type = SP_TAR_FILE};
	if (!type_of(head[AT_TYPE], &e->type))
		return sp_fail(err, SP_EUNSUPPORTED, "an entry of type '%c' (0x%02x)",
			       head[AT_TYPE] >= ' ' && head[AT_TYPE] < 127 ? head[AT_TYPE] : '?',
			       head[AT_TYPE]);
	SP_TRY(names(t, x, head, err));
	if (e->type == SP_TAR_FILE && sp_str_ends(e->path, SP_STR("/")))
		e->type = SP_TAR_DIR; /* before there was a type for them */
	SP_TRY(numbers(t, x, head, err));
	e->xattrs = x->xattrs;
	e->n_xattrs = x->n_xattrs;
	t->i_extent = 0;
	t->extent_used = 0;
	if (head[AT_TYPE] == 'S')
		SP_TRY(gnu_sparse(t, x, head, err));
	if (e->type == SP_TAR_FILE && x->has_sparse_size)
		return sparse(t, x, head, err);
	if (t->left_bytes > 0) {
		sp_tar_extent *whole = sp_try_new(&t->arena, sp_tar_extent, 1);
		if (whole == NULL)
			return no_room(err);
		*whole = (sp_tar_extent){0, t->left_bytes};
		e->extents = whole;
		e->n_extents = 1;
	}
	return SP_OK;
}

/* *ret_end: two blocks of zeros, one, or nothing at all end an archive. */
static sp_code read_head(sp_tar *t, uint8_t head[SP_TAR_BLOCK], bool *ret_end, sp_err *err)
{
	static const uint8_t zeros[SP_TAR_BLOCK];
	size_t n;
	SP_TRY(copy(t, head, SP_TAR_BLOCK, &n, err));
	*ret_end = n == 0 || (n == SP_TAR_BLOCK && memcmp(head, zeros, sizeof zeros) == 0);
	if (*ret_end)
		return SP_OK;
	if (n < SP_TAR_BLOCK)
		return early(err);
	return sum_is_right(head) ? SP_OK : malformed(err, "a head whose sum is wrong");
}

sp_code sp_tar_next(sp_tar *t, const sp_tar_entry **ret, sp_err *err)
{
	uint8_t head[SP_TAR_BLOCK];
	extended x = {.sparse_size = 0};
	SP_TRY(skip(t, t->left_bytes, err));
	SP_TRY(skip(t, t->pad_bytes, err));
	t->left_bytes = t->pad_bytes = 0;
	sp_arena_rewind(&t->arena);
	for (bool pending = false;; pending = true) {
		bool end;
		sp_str text;
		SP_TRY(read_head(t, head, &end, err));
		if (end) {
			if (pending)
				return early(err);
			*ret = NULL;
			return SP_OK;
		}
		switch (head[AT_TYPE]) {
		case 'x':
			SP_TRY(extended_text(t, head, &text, err));
			SP_TRY(pax(t, &x, text, err));
			break;
		case 'g': /* of the whole archive: commit ids and the like */
			SP_TRY(extended_text(t, head, &text, err));
			break;
		case 'L':
			SP_TRY(gnu_name(t, head, &x.path, err));
			break;
		case 'K':
			SP_TRY(gnu_name(t, head, &x.link, err));
			break;
		default:
			SP_TRY(finish_entry(t, &x, head, err));
			*ret = &t->entry;
			return SP_OK;
		}
	}
}

sp_code sp_tar_data(sp_tar *t, const uint8_t **ret, size_t *ret_n, uint64_t *ret_offset, sp_err *err)
{
	*ret_n = 0;
	if (t->left_bytes == 0)
		return SP_OK;
	const sp_tar_extent *x = &t->entry.extents[t->i_extent];
	if (t->extent_used == x->size_bytes) {
		t->i_extent++;
		t->extent_used = 0;
		x++;
	}
	SP_ASSERT(t->i_extent < t->entry.n_extents);
	SP_TRY(more(t, err));
	if (t->n == 0)
		return early(err);
	uint64_t room = x->size_bytes - t->extent_used;
	size_t part = t->n < room ? t->n : (size_t)room;
	*ret = t->ptr;
	*ret_n = part;
	*ret_offset = x->offset + t->extent_used;
	t->ptr += part;
	t->n -= part;
	t->extent_used += part;
	t->left_bytes -= part;
	return SP_OK;
}

/* ---- writing ---- */

static void put_octal(uint8_t *head, field f, uint64_t v)
{
	for (size_t i = f.n - 1u; i-- > 0; v >>= 3)
		head[f.at + i] = (uint8_t)('0' + (v & 7));
}

sp_code sp_tar_head(uint8_t out[SP_TAR_BLOCK], sp_str name, uint32_t mode, uint64_t size_bytes, sp_err *err)
{
	bool dir = sp_str_ends(name, SP_STR("/"));
	uint32_t sum = 0;
	if (name.len > f_name.n)
		return sp_fail(err, SP_ETOOLARGE, "the name '" SP_FMT "' has more than %u bytes",
			       SP_ARG(name), f_name.n);
	memset(out, 0, SP_TAR_BLOCK);
	memcpy(out + f_name.at, name.ptr, name.len);
	put_octal(out, f_mode, mode);
	put_octal(out, f_uid, 0);
	put_octal(out, f_gid, 0);
	put_octal(out, f_mtime, 0);
	if (size_bytes >> 33 == 0) {
		put_octal(out, f_size, size_bytes);
	} else { /* eleven octal digits are not enough */
		out[f_size.at] = 0x80;
		sp_be64_put(out + f_size.at + 4, size_bytes);
	}
	out[AT_TYPE] = dir ? '5' : '0';
	memcpy(out + f_magic.at, "ustar\00000", 8);
	memset(out + f_sum.at, ' ', f_sum.n);
	for (size_t i = 0; i < SP_TAR_BLOCK; i++)
		sum += out[i];
	put_octal(out, f_sum, sum);
	out[f_sum.at + 7] = ' ';
	return SP_OK;
}
