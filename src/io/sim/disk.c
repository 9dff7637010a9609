/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sim/disk_int.h"

#include "base/alloc.h"

/* ---- content ---- */

static void content_resize(sim_content *c, size_t size)
{
	if (size > c->cap) {
		size_t cap = SP_MAX(c->cap * 2, size);
		uint8_t *grown = sp_alloc(cap);
		if (c->size > 0)
			memcpy(grown, c->bytes, c->size);
		sp_free(c->bytes);
		c->bytes = grown;
		c->cap = cap;
	} else if (size < c->size) {
		memset(c->bytes + size, 0, c->size - size);
	}
	c->size = size;
}

static void content_write(sim_content *c, uint64_t offset, const void *bytes, size_t n)
{
	if (n == 0)
		return;
	if (offset + n > c->size)
		content_resize(c, offset + n);
	memcpy(c->bytes + offset, bytes, n);
}

static void content_copy(sim_content *to, const sim_content *from)
{
	content_resize(to, from->size);
	if (from->size > 0)
		memcpy(to->bytes, from->bytes, from->size);
}

/* ---- files ---- */

sim_inode *sim_inode_new(sim_disk *d, sp_file_type type, uint32_t mode, int64_t mtime_ns)
{
	sim_inode *i = SP_NEW(sim_inode);
	i->n_refs = 1;
	i->type = type;
	i->mode = mode & 07777u & ~022u;
	i->mtime_ns = mtime_ns;
	i->number = ++d->next_number;
	sp_list_init(&i->changes);
	return i;
}

sim_inode *sim_inode_ref(sim_inode *i)
{
	i->n_refs++;
	return i;
}

static void drop_changes(sim_inode *i)
{
	sp_list *node;
	while ((node = sp_list_pop_front(&i->changes)) != NULL)
		sp_free(SP_CONTAINER_OF(node, sim_change, node));
}

void sim_inode_unref(sim_disk *d, sim_inode *i)
{
	if (--i->n_refs > 0)
		return;
	d->used_bytes -= i->live.size;
	drop_changes(i);
	sp_free(i->live.bytes);
	sp_free(i->durable.bytes);
	sp_free(i);
}

static void note_change(sim_inode *i, uint64_t offset, const void *bytes, size_t n)
{
	sim_change *c = sp_alloc(sizeof *c + n);
	c->offset = offset;
	c->len = n;
	if (n > 0)
		memcpy(c->bytes, bytes, n);
	sp_list_init(&c->node);
	sp_list_push_back(&i->changes, &c->node);
}

bool sim_inode_write(sim_disk *d, sp_sim *s, sim_inode *i, uint64_t offset, const void *bytes, size_t n)
{
	if (n == 0)
		return true;
	if (offset > s->opts.disk_bytes || n > s->opts.disk_bytes - offset)
		return false;
	size_t grown = offset + n > i->live.size ? (size_t)offset + n - i->live.size : 0;
	if (d->used_bytes + grown > s->opts.disk_bytes)
		return false;
	d->used_bytes += grown;
	content_write(&i->live, offset, bytes, n);
	note_change(i, offset, bytes, n);
	return true;
}

bool sim_inode_resize(sim_disk *d, sp_sim *s, sim_inode *i, uint64_t size)
{
	if (size > s->opts.disk_bytes || d->used_bytes - i->live.size + size > s->opts.disk_bytes)
		return false;
	d->used_bytes = d->used_bytes - i->live.size + (size_t)size;
	content_resize(&i->live, (size_t)size);
	note_change(i, size, NULL, 0);
	return true;
}

/* Each sector of a write by itself: a torn page. */
static void apply_part(sp_sim *s, sim_content *to, const sim_change *c)
{
	for (size_t at = 0; at < c->len;) {
		size_t n = SP_MIN(SIM_SECTOR - (c->offset + at) % SIM_SECTOR, c->len - at);
		if ((sp_sim_random(s) & 1) != 0)
			content_write(to, c->offset + at, c->bytes + at, n);
		at += n;
	}
}

void sim_inode_sync(sp_sim *s, sim_inode *i, bool whole)
{
	SP_LIST_FOREACH (n, &i->changes) {
		const sim_change *c = SP_CONTAINER_OF(n, sim_change, node);
		/* All, none or parts of each. */
		unsigned luck = whole ? 0 : (unsigned)sp_sim_random_below(s, 3);
		if (c->len == 0 && luck == 0)
			content_resize(&i->durable, (size_t)c->offset);
		else if (luck == 0)
			content_write(&i->durable, c->offset, c->bytes, c->len);
		else if (luck == 1)
			apply_part(s, &i->durable, c);
	}
	drop_changes(i);
}

/* ---- names ---- */

ptrdiff_t sim_names_find(const sim_names *names, sp_str path)
{
	for (size_t i = 0; i < names->n; i++) {
		if (sp_str_eq(sp_str_c(names->at[i].path), path))
			return (ptrdiff_t)i;
	}
	return -1;
}

static char *dup_path(sp_str a, sp_str b)
{
	char *p = sp_alloc(a.len + b.len + 1);
	if (a.len > 0)
		memcpy(p, a.ptr, a.len);
	if (b.len > 0)
		memcpy(p + a.len, b.ptr, b.len);
	return p;
}

static void names_remove(sim_disk *d, sim_names *names, sp_str path)
{
	ptrdiff_t at = sim_names_find(names, path);
	if (at < 0)
		return;
	sp_free(names->at[at].path);
	sim_inode_unref(d, names->at[at].inode);
	size_t rest = names->n - (size_t)at - 1;
	memmove(&names->at[at], &names->at[at + 1], rest * sizeof *names->at);
	names->n--;
}

/* Takes the path's memory. */
static void names_add(sim_names *names, char *path, sim_inode *inode)
{
	if (names->n == names->cap) {
		size_t cap = SP_MAX(names->cap * 2, (size_t)8);
		sim_name *grown = sp_alloc(cap * sizeof *grown);
		if (names->n > 0)
			memcpy(grown, names->at, names->n * sizeof *grown);
		sp_free(names->at);
		names->at = grown;
		names->cap = cap;
	}
	names->at[names->n++] = (sim_name){path, sim_inode_ref(inode)};
}

static bool is_below(sp_str path, sp_str dir)
{
	return path.len > dir.len && sp_str_starts(path, dir) && path.ptr[dir.len] == '/';
}

/* What stands in a directory that is renamed goes with it. */
static void move_children(sim_names *names, sp_str from, sp_str to)
{
	for (size_t i = 0; i < names->n; i++) {
		sp_str path = sp_str_c(names->at[i].path);
		if (!is_below(path, from))
			continue;
		names->at[i].path = dup_path(to, sp_str_sub(path, from.len, path.len));
		sp_free((void *)(uintptr_t)path.ptr);
	}
}

static void names_change(sim_disk *d, sim_names *names, sp_str from, sp_str to, sim_inode *inode)
{
	if (inode != NULL)
		(void)sim_inode_ref(inode);
	if (to.len > 0)
		names_remove(d, names, to);
	if (from.len > 0)
		names_remove(d, names, from);
	if (to.len > 0 && inode != NULL) {
		names_add(names, dup_path(to, SP_STR("")), inode);
		if (inode->type == SP_TYPE_DIR && from.len > 0)
			move_children(names, from, to);
	}
	if (inode != NULL)
		sim_inode_unref(d, inode);
}

void sim_disk_rename(sim_disk *d, sp_str from, sp_str to, sim_inode *inode)
{
	sim_rename *r = sp_alloc(sizeof *r + from.len + to.len + 2);
	r->inode = inode == NULL ? NULL : sim_inode_ref(inode);
	r->to_at = from.len + 1;
	if (from.len > 0)
		memcpy(r->text, from.ptr, from.len);
	if (to.len > 0)
		memcpy(r->text + r->to_at, to.ptr, to.len);
	sp_list_init(&r->node);
	sp_list_push_back(&d->renames, &r->node);
	/* From the copy: the caller's paths may stand in the table. */
	names_change(d, &d->live, sp_str_c(r->text), sp_str_c(r->text + r->to_at), inode);
}

static void apply_rename(sim_disk *d, sim_rename *r, bool for_good)
{
	sp_list_remove(&r->node);
	if (for_good)
		names_change(d, &d->durable, sp_str_c(r->text), sp_str_c(r->text + r->to_at), r->inode);
	if (r->inode != NULL)
		sim_inode_unref(d, r->inode);
	sp_free(r);
}

sp_str sim_parent_of(sp_str path)
{
	ptrdiff_t slash = sp_str_rindex(path, '/');
	return slash <= 0 ? SP_STR("/") : sp_str_sub(path, 0, (size_t)slash);
}

void sim_disk_sync_dir(sim_disk *d, sp_str path)
{
	SP_LIST_FOREACH (n, &d->renames) {
		sim_rename *r = SP_CONTAINER_OF(n, sim_rename, node);
		sp_str from = sp_str_c(r->text), to = sp_str_c(r->text + r->to_at);
		if ((from.len > 0 && sp_str_eq(sim_parent_of(from), path)) ||
		    (to.len > 0 && sp_str_eq(sim_parent_of(to), path)))
			apply_rename(d, r, true);
	}
}

/* ---- the disk ---- */

sim_disk *sim_disk_new(void)
{
	sim_disk *d = SP_NEW(sim_disk);
	sp_list_init(&d->renames);
	sim_inode *root = sim_inode_new(d, SP_TYPE_DIR, 0755, 0);
	names_add(&d->live, dup_path(SP_STR("/"), SP_STR("")), root);
	names_add(&d->durable, dup_path(SP_STR("/"), SP_STR("")), root);
	sim_inode_unref(d, root);
	return d;
}

static void names_clear(sim_disk *d, sim_names *names)
{
	for (size_t i = 0; i < names->n; i++) {
		sp_free(names->at[i].path);
		sim_inode_unref(d, names->at[i].inode);
	}
	names->n = 0;
}

/* Names whose directory did not make it are gone. */
static void drop_orphans(sim_disk *d)
{
	for (size_t i = 0; i < d->durable.n;) {
		sp_str path = sp_str_c(d->durable.at[i].path);
		if (path.len == 1 || sim_names_find(&d->durable, sim_parent_of(path)) >= 0) {
			i++;
			continue;
		}
		names_remove(d, &d->durable, path);
		i = 0;
	}
}

void sim_disk_crash(sim_disk *d, sp_sim *s)
{
	/* A journal: the changes of names up to some point. */
	uint64_t n = 0;
	SP_LIST_FOREACH (node, &d->renames)
		n++;
	for (uint64_t keep = sp_sim_random_below(s, n + 1); !sp_list_is_empty(&d->renames); keep -= keep > 0)
		apply_rename(d, SP_CONTAINER_OF(d->renames.next, sim_rename, node), keep > 0);
	drop_orphans(d);
	names_clear(d, &d->live);
	for (size_t i = 0; i < d->durable.n; i++) {
		sim_inode *inode = d->durable.at[i].inode;
		sim_inode_sync(s, inode, false);
		d->used_bytes -= inode->live.size;
		content_copy(&inode->live, &inode->durable);
		d->used_bytes += inode->live.size;
		inode->locked_by = NULL;
		names_add(&d->live, dup_path(sp_str_c(d->durable.at[i].path), SP_STR("")), inode);
	}
}

void sim_disk_free(sim_disk *d)
{
	while (!sp_list_is_empty(&d->renames))
		apply_rename(d, SP_CONTAINER_OF(d->renames.next, sim_rename, node), false);
	names_clear(d, &d->live);
	names_clear(d, &d->durable);
	sp_free(d->live.at);
	sp_free(d->durable.at);
	sp_free(d);
}
