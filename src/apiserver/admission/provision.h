/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NamespaceAutoProvision. Unlike other plugins it waits: the namespace is there before the object is looked
 * at. U: kubernetes plugin/pkg/admission/namespace/autoprovision/admission.go
 */
#pragma once

#include "apiserver/write.h"

/* Makes the namespace of w->obj, a new object, where it is missing and the plugin is on. `then` goes on with
 * the write: at once, or when the namespace is made; not when it could not be (answered) or the client is
 * gone. */
void api_provision_namespace(api_write *w, void (*then)(api_write *w));
