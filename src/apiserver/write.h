/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A write on its way to the store. It keeps memory of its own, for a commit may outlive the client's
 * connection: the request lets go of it (r becomes NULL), the commit is finished all the same.
 */
#pragma once

#include "apiserver/custom/convert.h"
#include "apiserver/server_int.h"

typedef struct api_write api_write;

/* The form in which a subresource with a body of its own shows the object ("scale"). */
typedef struct api_view {
	/* The object as the subresource's body. NULL: no room. */
	yyjson_mut_val *(*show)(sp_arena *a, yyjson_mut_doc *doc, const api_resource *res,
				yyjson_mut_val *object);
	/* Field owners of the object as owners of the body's fields, into the body. False: no room. */
	bool (*show_owners)(api_write *w, yyjson_mut_val *object, yyjson_mut_val *body);
	/* Makes of w->obj, a changed body, the changed object; false: refused, answered. */
	bool (*take)(api_write *w, yyjson_mut_val *old);
} api_view;

struct api_write {
	api_request *r; /* NULL: the client is gone */
	api_server *server;
	const api_resource *res;
	const api_resource *body_res; /* what bodies and patches are of: res, or that of a subresource */
	const api_view *view;         /* how body_res shows res; NULL when they are the same */
	sp_arena arena;
	yyjson_mut_doc *doc;
	api_write_options o;
	sp_violations errors;
	sp_kind_ctx ctx;
	char now[32]; /* RFC 3339 */
	sp_str now_str;

	sp_str body; /* of the request; good while r is not NULL */
	yyjson_mut_val *obj;
	sp_str rest;            /* the key in the store */
	sp_store_value old;     /* what the write is based on; record NULL for a create */
	sp_bytes *record;       /* the new one */
	uint64_t step_began_ns; /* of admission, by sp_clock_ns */
	/* Of write_convert.c; all empty where no webhook converts. */
	api_convert convert;
	api_convert_item convert_item;
	sp_store_value base; /* the stored object and */
	sp_bytes *seen;      /* what it is in the version of the request */
	sp_bytes *shown;     /* the new one in that version */
	void (*on_converted)(struct api_write *w);
	void (*loaded)(struct api_write *w);
	void (*recorded)(struct api_write *w);
	sp_store_op own_op, *ops; /* the object's is the first; then what goes along */
	size_t n_ops, cap_ops;
	sp_store_txn txn;
	uint16_t ok_code;
	/* A patch, at whose fault it is what can't be decoded: what upstream shows of it then. `why` may be
	 * changed. */
	sp_str (*patched)(struct api_write *w, sp_str json, sp_str *why);
	yyjson_mut_val *applied; /* the body of an apply */
	yyjson_mut_val *patch_result;
	bool is_apply;                         /* field owners are part of the patch's result */
	struct api_hook_run *hook_run;         /* webhooks are being asked: admission/hooks.c */
	struct api_policy_run *policy_run;     /* mutating policies: admission/mutating_policy.c */
	struct api_shown *shown_as;            /* in other versions: admission/shown.h */
	struct api_param_shown *params_shown;  /* of policies: admission/shown.h */
	yyjson_mut_val *before;                /* what an update changes */
	yyjson_mut_val *owners;                /* metadata.managedFields before admission */
	void (*prepared)(struct api_write *w); /* how it goes on when it is prepared */
	const struct api_delete_options *deletion;
	unsigned tries;
	bool committing, removed_by_update, name_is_generated;
	bool remove_next, announced; /* the two steps of api_write_mark_and_remove */
	/* Tries again from the stored state after a conflict; NULL: conflicts are the client's. */
	void (*again)(api_write *w);
	/* The same when only something that goes along had changed; NULL: `again`. */
	void (*redo)(api_write *w);
	/* Take the place of the answer with the object, and of refusals; may be NULL. `json` is the object.
	 */
	void (*reply)(api_write *w, sp_str json, uint64_t revision);
	void (*refused)(api_write *w, const sp_status *status);
	void *arg; /* of whoever set them */
};

/* Makes the write of a request (r->state); its options are read. NULL: answered. `options`: "CreateOptions"
 * …; NULL: none (a deletion has options of its own). */
api_write *api_write_new(api_request *r, const char *options, bool is_apply);

/* The request forgets the write: it is released, at once or when its commit is done. NULL is a no-op. */
void api_write_abandon(api_write *w);

/* Keeps the write while something else than a commit is under way; release gives it back. False: the client
 * is gone, and with it the write. */
void api_write_hold(api_write *w);
bool api_write_release(api_write *w) SP_MUST_USE;

/* Answers and ends the write. */
void api_write_fail(api_write *w, sp_code code, const sp_err *err);
void api_write_refuse(api_write *w, const sp_status *status);

/*
 * The body as an object of w->body_res in w->obj: decoded by its Content-Type, strictly or with warnings,
 * defaults filled. False: answered.
 */
bool api_write_decode(api_write *w, sp_str body);
/* The same from JSON text that is an object of the kind already (patched). */
bool api_write_decode_json(api_write *w, sp_str json);

/* What server-side apply and owner tracking need to know of this write; false: no room. */
struct sp_apply_request;
bool api_write_apply_request(api_write *w, struct sp_apply_request *ret);

/* Warns of what sp_yaml_parse complained about, a line each. */
void api_warn_yaml(api_request *r, sp_str complaints);

/*
 * Calls `then`, which begins with api_write_load of that object: at once, or when a webhook has converted it;
 * not when that failed (answered) or the client is gone. There need not be such an object.
 */
void api_write_see(api_write *w, sp_str ns, sp_str name, void (*then)(api_write *w));
/* Makes w->record of w->obj, and w->shown where that is another one; `then` as above, or it failed. */
void api_write_record(api_write *w, void (*then)(api_write *w));
/* The same of an object that goes: w->record is only shown, no webhook is asked. */
sp_code api_write_record_last(api_write *w, sp_err *err) SP_MUST_USE;
void api_write_forget_converted(api_write *w);

/* The stored state into w->old, and as a tree. SP_ENOTFOUND: there is none. */
sp_code api_write_load(api_write *w, sp_str name, yyjson_mut_val **ret_old, sp_err *err) SP_MUST_USE;
sp_code api_write_load_at(api_write *w, sp_str ns, sp_str name, yyjson_mut_val **ret_old,
			  sp_err *err) SP_MUST_USE;

/*
 * Prepares, admits and validates w->obj as a new object / as a change of `old`. `then` goes on with it: at
 * once, or later when webhooks are asked; not when it was refused (and answered) or the client is gone.
 */
void api_write_prepare_create(api_write *w, void (*then)(api_write *w));
void api_write_prepare_update(api_write *w, yyjson_mut_val *old, void (*then)(api_write *w));

/*
 * Adds an operation that is committed with the object's, all or none; w takes the record. When it meets a
 * conflict the whole write is done again. Its key lives as long as the write. False: there is no room for
 * more (SP_LIMIT_STORE_TXN_OPS), answered. Preparing a write forgets what was added before.
 */
bool api_write_also(api_write *w, const sp_store_op *op);
void api_write_forget_also(api_write *w);
/* The same with another stored object of resource `res`, as api_admit_load gave it and then changed: it must
 * not have changed since. NULL revision text: it is new. False: no room, answered. */
bool api_write_also_put(api_write *w, const api_resource *res, yyjson_mut_val *obj);

/* Answers with a Status that says Success: what a POST to a binding or an eviction is told. */
void api_write_reply_success(api_write *w, sp_str json, uint64_t revision);

/*
 * Commits w->obj (a create when w->old.record is NULL) and answers with the object. An update that changes
 * nothing is answered without a write; one that takes the last finalizer of a deleted object removes it.
 */
void api_write_commit(api_write *w);
/* Removes the object of w->old; the answer is the object or a Status, as w->reply says. */
void api_write_remove(api_write *w);
/* The same in two steps that watchers see: w->obj, which is marked as deleted, is stored, then removed. */
void api_write_mark_and_remove(api_write *w);

/* w->obj has the name of the request's path; false: it has not, answered. */
bool api_write_check_name(api_write *w);
/* The number of a revision, 0 for none. False: it is no number, answered by upstream's plain 500. */
bool api_write_revision(api_write *w, sp_str text, uint64_t *ret);
/* Puts the request's namespace into w->obj; false: it names another one, answered. */
bool api_write_namespace(api_write *w);
/* Prepares and commits w->obj as a new object / as a change of `old`; answers. */
void api_write_create(api_write *w);
void api_write_update(api_write *w, yyjson_mut_val *old);

/* What upstream's storage says of a precondition ("UID", "ResourceVersion") that does not hold. */
sp_str api_write_precondition_text(api_write *w, const char *what, sp_str wanted, sp_str stored);

/* PUT and PATCH of an object in the form of a view; such a write answers with the body. */
void api_update_view(api_request *r, const api_view *view);
void api_patch_view(api_request *r, const api_view *view);
void api_write_show_as(api_write *w, const api_view *view);

/* Deletes w->obj, the stored object that w->old is, by the options; answers. Their texts live as long as
 * the request. */
struct api_delete_options;
void api_write_delete(api_write *w, const struct api_delete_options *o);

/* True when an object that is being deleted has nothing left to wait for. */
bool api_is_finished(yyjson_mut_val *obj);
