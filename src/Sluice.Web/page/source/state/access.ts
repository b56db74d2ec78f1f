import { createStore, useStore } from './store';

const Key = 'sluice.token';

/** What the server says of itself, and what the user has given. */
export interface Access {
  version: string;
  /** The server asks callers who they are. */
  asks: boolean;
  /** Such as "/serve". */
  servePath: string;
  /** Models can be described and tried on this port. */
  hasModels: boolean;
  /** Sent with each call; gone when the tab is closed. */
  token: string;
  /** A server that asks nobody is changed only by those who say that they want to. */
  isUnlocked: boolean;
  /** A call was refused for want of credentials. */
  isRefused: boolean;
}

/** What the tab has kept; a browser that keeps nothing asks anew. */
function storedToken(): string {
  try {
    return sessionStorage.getItem(Key) ?? '';
  } catch {
    return '';
  }
}

export const access = createStore<Access>({
  version: '', asks: false, servePath: '/serve', hasModels: false, token: storedToken(), isUnlocked: false,
  isRefused: false,
});

export const useAccess = () => useStore(access);

export const mayAct = ({ asks, token, isUnlocked }: Access) => (asks ? token !== '' : isUnlocked);

export function giveToken(token: string): void {
  access.set({ token, isRefused: false });
  try {
    if (token) sessionStorage.setItem(Key, token);
    else sessionStorage.removeItem(Key);
  } catch {
    // It is kept for as long as the page is open.
  }
}
