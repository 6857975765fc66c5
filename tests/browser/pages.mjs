// Every page of the site, each with the person who looks and with something on it. Used by the accessibility test, the budgets and
// the payload test, and checked against the product's own route table, so that a new page can not be forgotten.
import { APP } from './lib.mjs';

/** Brings the demo into a state in which every page has something to show. Returns numbers and names for the addresses. */
export async function furnish(world) {
  const { body: release } = await world.api('POST', `/api/v1/apps/${APP}/releases`, { tag: 'v5', notes: 'Search, and a quieter log.' });
  const change = async (env, body) => (await world.api('POST', `/api/v1/apps/${APP}/environments/${env}/changes`, body)).body.number;
  const waiting = await change('production', { kind: 'deploy', release: release.number, reason: 'Ran in staging since Monday.' });
  const { body: list } = await world.api('GET', '/api/v1/changes');
  const undone = list.items.find((c) => c.state === 'undone').number;
  const done = list.items.find((c) => c.kind === 'deploy' && c.state === 'succeeded').number;
  return { release: release.number, waiting, undone, done };
}

/** `[route, address, person]`; person `null` = not signed in. */
export function pages({ waiting, undone, done }) {
  const env = `/apps/${APP}/staging`;
  return [
    ['/login', '/login', null],
    ['/setup/{link}', '/setup/made-up', null],
    ['/', '/', 'pia'],
    ['/apps', '/apps', 'ada'],
    ['/apps/new', '/apps/new', 'ada'],
    ['/apps/{app}', `/apps/${APP}`, 'ada'],
    ['/apps/{app}/adopt', `/apps/${APP}/adopt`, 'ada'],
    ['/apps/{app}/images', `/apps/${APP}/images`, 'dan'],
    ['/apps/{app}/{env}', env, 'dan'],
    ['/apps/{app}/{env}', `/apps/${APP}/production`, 'dan'],
    ['/apps/{app}/{env}', `/apps/${APP}/legacy`, 'dan'],
    ['/apps/{app}/{env}/deploy', `${env}/deploy`, 'dan'],
    ['/apps/{app}/{env}/rollback', `${env}/rollback`, 'dan'],
    ['/apps/{app}/{env}/capacity', `${env}/capacity?desired=3`, 'dan'],
    ['/apps/{app}/{env}/pin', `/apps/${APP}/legacy/pin`, 'dan'],
    ['/apps/{app}/{env}/replace', `${env}/replace`, 'dan'],
    ['/apps/{app}/{env}/terminate', `${env}/terminate`, 'dan'],
    ['/approvals', '/approvals', 'pia'],
    ['/approvals/{number}', `/approvals/${waiting}`, 'pia'],
    ['/deployments', '/deployments', 'vera'],
    ['/deployments/{number}', `/deployments/${undone}`, 'dan'],
    ['/deployments/{number}', `/deployments/${done}`, 'vera'],
    ['/deployments/{number}', `/deployments/${waiting}`, 'dan'],
    ['/deployments/{number}/cancel', `/deployments/${waiting}/cancel`, 'dan'],
    ['/deployments/{number}/force-close', `/deployments/${waiting}/force-close`, 'ada'],
    ['/audit', '/audit', 'vera'],
    ['/audit/{seq}', '/audit/40', 'ada'],
    ['/admin/people', '/admin/people', 'ada'],
    ['/admin/people/{name}', '/admin/people/dan', 'ada'],
    ['/admin/tokens', '/admin/tokens', 'ada'],
    ['/me', '/me', 'dan'],
    ['/help', '/help', 'vera'],
    ['/help/infrastructure-as-code', '/help/infrastructure-as-code', 'vera'],
    ['404', '/nowhere', 'vera'],
    ['403', '/admin/people', 'vera'],
  ];
}
