/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversion of custom resources by a webhook. A converted object takes the form of a record that might have
 * been stored in the version asked for, so that readers treat it as any other. What was converted is kept
 * (by definition, version, key and revision) for other readers, and what is being converted is not asked for
 * twice: thousand watchers of a version make one question per event. A question takes many objects.
 * U: apiextensions-apiserver pkg/apiserver/conversion
 */
#pragma once

#include "apiserver/custom/custom.h"
#include "apiserver/webhook.h"

/* Of a version whose definition has spec.conversion.strategy Webhook. */
typedef struct api_converter {
	sp_str crd; /* the definition's name */
	api_webhook_at at;
	bool v1beta1;           /* of ConversionReview */
	const sp_str *versions; /* all of the definition */
	size_t n_versions;
} api_converter;

typedef struct api_convert_item {
	/* set by the caller */
	sp_bytes *record;  /* a reference; becomes that of the converted record */
	sp_str rest;       /* its key in the store and */
	uint64_t revision; /* its revision: by these it is shared; 0: it is not stored, and not shared */
	/* of convert.c */
	sp_list node;
	struct api_convert *owner;
} api_convert_item;

/* Records on their way into one version. */
typedef struct api_convert {
	/* set by the caller */
	api_customs *customs;
	api_custom *to;  /* a reference of the caller's, as long as this is under way */
	sp_arena *arena; /* of `why` */
	api_convert_item *items;
	size_t n;
	void (*done)(struct api_convert *c); /* from the loop, once; may free it */
	void *arg;
	/* the outcome: all items are converted, or: */
	bool failed;
	sp_str why; /* in upstream's words */
	/* of convert.c */
	sp_list node; /* among those that are ready */
	size_t n_open;
} api_convert;

/* True when a record needs a webhook to be seen in the version. */
bool api_convert_wanted(const api_custom *to, const sp_record *rec);
/* The same of a resource, built-in ones included. */
bool api_convert_wanted_by(const api_resource *res, const sp_record *rec);

/* Converts the items that need it. True: all is done (or failed) already, `done` does not come. */
bool api_convert_start(api_convert *c) SP_MUST_USE;
/* Forgets what is under way; `done` does not come any more. Harmless when nothing is. */
void api_convert_cancel(api_convert *c);
/* Gives the items' records back. */
void api_convert_unref(api_convert *c);

/* What a failed conversion is told as. */
sp_status api_convert_status(sp_arena *a, const api_convert *c);

/* Of the registry. */
typedef struct custom_conversions custom_conversions;
custom_conversions *custom_conversions_new(void);
/* Without conversions under way. NULL is a no-op. */
void custom_conversions_free(custom_conversions *v);
/* The converter of a definition in the arena; *ret NULL: its strategy is None. False: no room. */
bool custom_converter_read(sp_arena *a, yyjson_mut_val *crd, const api_converter **ret) SP_MUST_USE;
