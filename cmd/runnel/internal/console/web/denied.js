// The content of a view that has no status.

import { h, empty } from './dom.js';

const permission = (role, realm) => `# /etc/runnel/conf.d/console.toml
[[realm]]
name = "${realm}"

  [[realm.role]]
  name = "${role}"

    [[realm.role.permission]]
    uri = "runnel.status"
    allow = ["call"]`;

// denied explains how to permit a role to read the status.
export function denied({ client }) {
  const { authrole = 'local' } = client.details;
  return h('section.panel', null,
    empty(`The role "${authrole}" may not read the router's status`,
      'Only operators see health, lines, links and rates. Sign in as an operator, or permit this role to read the status: write this file, then run "sudo systemctl reload runnel".',
      permission(authrole, client.realm)));
}

// whenKnown calls make with the first status and its result with each status, or explains in root why there is none. It returns a
// function that ends this.
export function whenKnown(root, app, make) {
  let update;
  const change = () => {
    const { status } = app;
    if (status.latest) {
      if (!update) {
        root.replaceChildren();
        update = make(root);
      }
      update(status.latest);
    } else if (status.denied && root.dataset.denied === undefined) {
      root.dataset.denied = '';
      update = undefined;
      root.replaceChildren(denied(app));
    }
    if (status.latest) delete root.dataset.denied;
  };
  app.status.addEventListener('change', change);
  change();
  return () => app.status.removeEventListener('change', change);
}
